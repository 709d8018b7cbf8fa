import { CLIENT } from './gateway.ts'

/**
 * RFC 7636, appendix B: a pair for requests whose codes are redeemed by whoever did not begin the sign-in, or by
 * nobody.
 */
export const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
export const CHALLENGE = {
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
} as const

/** What `CLIENT` asks for. No relying party runs behind it. */
export const REQUEST = {
  client_id: CLIENT.client_id,
  redirect_uri: CLIENT.redirect_uris[0],
  response_type: 'code',
  scope: 'openid',
  state: 'state-of-a-relying-party',
  nonce: 'nonce-of-a-relying-party',
  ...CHALLENGE,
} as const

/** The address of an authorization request; `undefined` leaves a parameter out. */
export function requestOf(issuer: string, parameters: Readonly<Record<string, string | undefined>> = {}): string {
  const wanted: Readonly<Record<string, string | undefined>> = { ...REQUEST, ...parameters }
  const sent = Object.entries(wanted).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return `${issuer}/auth?${new URLSearchParams(sent)}`
}
