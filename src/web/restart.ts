import { MINUTE } from '../kernel/clock.ts'
import type { EndedInteraction } from '../mfa/session/ended-interaction.ts'
import type { RelyingParty } from './relying-parties.ts'

export interface WayBack {
  href: string
  /** `continue`: the sign-in was finished. */
  key: 'start-again' | 'continue'
}

/** Some relying parties keep their own state for five minutes (J3): later, their start page is the better place. */
const RELYING_PARTY_STATE = 5 * MINUTE

/**
 * Where somebody goes whose page is over: the relying party's own request while its state can still be alive, else the
 * relying party's place to start (`initiate_login_uri`, `client_uri`, the origin of a web redirect URI), and its
 * request again where there is no such place.
 */
export function wayBack(past: EndedInteraction, { client, now }: { client: RelyingParty; now: number }): WayBack {
  const key = past.ended ? 'continue' : 'start-again'
  const request = requestAgain(past.params)
  if (now - past.startedAt < RELYING_PARTY_STATE && !past.ended) return { href: request, key }
  return { href: client.startUri ?? client.uri ?? originOf(past.params.redirect_uri, client) ?? request, key }
}

/** The authorization request once more; a pushed one stands in the parameters as the engine read it. */
export function requestAgain(params: Readonly<Record<string, unknown>>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(params)) {
    if (value !== undefined && value !== null && name !== 'request_uri') query.set(name, String(value))
  }
  return `/auth?${query}`
}

/** A native app is not reached by a link to an origin. */
function originOf(redirectUri: unknown, { native }: RelyingParty): string | undefined {
  if (native || typeof redirectUri !== 'string' || !URL.canParse(redirectUri)) return undefined
  const { protocol, origin } = new URL(redirectUri)
  return protocol === 'https:' || protocol === 'http:' ? `${origin}/` : undefined
}
