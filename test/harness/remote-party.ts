import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'
import { exchange } from './exchange.ts'
import { type Browser, createBrowser } from './http-client.ts'

/** A gateway behind a proxy that ends TLS: its public address, and the loopback port it listens on. */
export interface Behind {
  issuer: string
  port: number
}

/** A PKCE pair (RFC 7636, appendix B): a code can be redeemed by whoever did not begin the sign-in. */
const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

export interface RemoteClient {
  client_id: string
  /** None: a public client. */
  client_secret?: string
  redirect_uri: string
}

export interface Reply {
  status: number
  body: Record<string, unknown>
}

export interface Tokens {
  access_token: string
  id_token: string
  refresh_token?: string
}

export interface RemoteParty {
  /** Where to send the browser. */
  authorization(client: RemoteClient, parameters?: Record<string, string>): URL
  /** A form to an endpoint, with the client's proof unless it is public. */
  post(path: string, client: RemoteClient, fields: Record<string, string>): Promise<Reply>
  /** Redeems the code in the address that the browser was sent back to. */
  redeem(client: RemoteClient, location: string | undefined): Promise<Tokens>
  refresh(client: RemoteClient, token: string): Promise<Reply>
  /** Claims of an ID token whose signature, issuer and audience are right. */
  claims(client: RemoteClient, idToken: string): Promise<JWTPayload>
  get(path: string, headers?: Record<string, string>): Promise<Reply>
  /** A browser at this client address. */
  browser(address: string, jar?: Browser['jar']): Browser
}

/**
 * Relying parties that no process runs: their requests go by hand through the proxy of a gateway whose address is only
 * a name.
 */
export function createRemoteParty({ issuer, port }: Behind): RemoteParty {
  const forwarded = {
    'x-forwarded-for': '198.51.100.1',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': new URL(issuer).host,
  }

  async function ask(method: string, path: string, headers: Record<string, string>, body?: string): Promise<Reply> {
    const answer = await exchange({
      method,
      url: `${issuer}${path}`,
      connect: { port },
      headers: { accept: 'application/json', ...forwarded, ...headers },
      ...(body !== undefined && { body }),
    })
    const json = `${answer.headers['content-type']}`.includes('json')
    return { status: answer.status, body: json ? JSON.parse(answer.body.toString('utf8')) : {} }
  }

  const party: RemoteParty = {
    authorization({ client_id, redirect_uri }, parameters = {}) {
      const url = new URL(`${issuer}/auth`)
      const asked = { client_id, redirect_uri, response_type: 'code', scope: 'openid profile email', state: 'a-state' }
      const pkce = { code_challenge: CHALLENGE, code_challenge_method: 'S256' }
      url.search = new URLSearchParams({ ...asked, ...pkce, ...parameters }).toString()
      return url
    },
    async post(path, { client_id, client_secret }, fields) {
      const body = { client_id, ...(client_secret !== undefined && { client_secret }), ...fields }
      const headers = { 'content-type': 'application/x-www-form-urlencoded' }
      return ask('POST', path, headers, new URLSearchParams(body).toString())
    },
    async redeem(client, location) {
      const code = location === undefined ? undefined : new URL(location).searchParams.get('code')
      if (code === null || code === undefined) throw new Error(`no code in ${location}`)
      const grant = { grant_type: 'authorization_code', code, redirect_uri: client.redirect_uri }
      const { status, body } = await party.post('/token', client, { ...grant, code_verifier: VERIFIER })
      if (status !== 200) throw new Error(`the code was refused: ${JSON.stringify(body)}`)
      return body as unknown as Tokens
    },
    refresh: (client, token) => party.post('/token', client, { grant_type: 'refresh_token', refresh_token: token }),
    async claims({ client_id }, idToken) {
      const { body } = await party.get('/jwks')
      const keys = createLocalJWKSet(body as unknown as JSONWebKeySet)
      return (await jwtVerify(idToken, keys, { issuer, audience: client_id })).payload
    },
    get: (path, headers = {}) => ask('GET', path, headers),
    browser: (address, jar) =>
      createBrowser({ origin: issuer, proxy: { port, client: address }, ...(jar !== undefined && { jar }) }),
  }
  return party
}
