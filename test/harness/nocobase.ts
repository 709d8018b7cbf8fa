import { randomBytes } from 'node:crypto'
import { createRemoteJWKSet, type JWTPayload, customFetch as jwksFetch, jwtVerify } from 'jose'
import { exchange, fetchWith } from './exchange.ts'
import type { ClientEntry } from './relying-party.ts'

export interface NocoBaseOptions {
  issuer: string
  clientId?: string
  clientSecret?: string
  /** Where NocoBase is; nothing listens there. */
  url?: string
  /** How it proves itself to the token endpoint; default `client_secret_basic`. */
  authentication?: 'client_secret_basic' | 'client_secret_post'
  /** Its two settings of the userinfo request; default POST with the token in the body. */
  userinfo?: { method: 'GET' | 'POST'; via: 'header' | 'body' }
  ca?: string
}

/** What it makes a user of. */
export interface NocoBaseUser {
  /** The parameter as it stood in the callback's query, before any decoding. */
  rawState: string
  idToken: JWTPayload
  userinfo: Record<string, unknown>
}

export interface NocoBase {
  readonly redirectUri: string
  readonly client: ClientEntry
  /**
   * The address of its sign-in button: no PKCE, no nonce, a long state that was encoded once before it became a
   * parameter.
   */
  authorize(): URL
  /** Rejects when the state differs in one byte, or anything of the tokens is wrong. */
  callback(location: string | URL): Promise<NocoBaseUser>
  logout(idToken?: string): URL
}

/**
 * The requests of NocoBase's OIDC plugin, one by one and without a library that would smooth anything over: what it
 * leaves out is left out. Endpoints come from discovery, which `discover` reads once.
 */
export async function discoverAsNocoBase(options: NocoBaseOptions): Promise<NocoBase> {
  const { issuer, authentication = 'client_secret_basic' } = options
  const { userinfo = { method: 'POST', via: 'body' } } = options
  const client = nocobaseClient(options)
  const redirectUri = `${client.redirect_uris[0]}`
  const authority = options.ca === undefined ? {} : { ca: options.ca }
  const metadata = JSON.parse(await read(`${issuer}/.well-known/openid-configuration`))
  const endpoint = (name: string): string => {
    const address: unknown = metadata[name]
    if (typeof address !== 'string') throw new Error(`discovery has no ${name}`)
    return address
  }
  const keys = createRemoteJWKSet(new URL(endpoint('jwks_uri')), { [jwksFetch]: fetchWith(authority) })
  const states = new Set<string>()

  async function read(url: string): Promise<string> {
    const { status, body } = await exchange({ url, headers: { accept: 'application/json' }, ...authority })
    if (status !== 200) throw new Error(`${url} answers ${status}`)
    return body.toString('utf8')
  }

  async function post(url: string, fields: Record<string, string>, headers: Record<string, string>): Promise<string> {
    const body = new URLSearchParams(fields).toString()
    const sent = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', ...headers }
    const answer = await exchange({ method: 'POST', url, headers: sent, body, ...authority })
    const text = answer.body.toString('utf8')
    if (answer.status !== 200) throw new Error(`${url} answers ${answer.status}: ${text}`)
    return text
  }

  async function redeem(code: string): Promise<{ access_token: string; id_token: string }> {
    const fields = { grant_type: 'authorization_code', code, redirect_uri: redirectUri }
    const id = client.client_id
    const secret = client.client_secret ?? ''
    if (authentication === 'client_secret_post') {
      const body = { ...fields, client_id: id, client_secret: secret }
      return JSON.parse(await post(endpoint('token_endpoint'), body, {}))
    }
    const pair = Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')
    return JSON.parse(await post(endpoint('token_endpoint'), fields, { authorization: `Basic ${pair}` }))
  }

  async function userinfoOf(token: string): Promise<Record<string, unknown>> {
    const url = endpoint('userinfo_endpoint')
    const header = { authorization: `Bearer ${token}` }
    if (userinfo.via === 'body') return JSON.parse(await post(url, { access_token: token }, {}))
    if (userinfo.method === 'POST') return JSON.parse(await post(url, {}, header))
    const { status, body } = await exchange({ url, headers: header, ...authority })
    if (status !== 200) throw new Error(`${url} answers ${status}`)
    return JSON.parse(body.toString('utf8'))
  }

  return {
    redirectUri,
    client,
    authorize() {
      const state = new URLSearchParams({
        token: randomBytes(32).toString('hex'),
        name: 's_8dk1x0gq3fz',
        app: 'main',
        redirect: '/admin/settings/users?filter={"name":"Åsa & Co"}&page=1#top',
        note: 'long as real ones '.repeat(30),
      }).toString()
      // The value is encoded before it becomes a parameter, and as a parameter again.
      const value = encodeURIComponent(state)
      const url = new URL(endpoint('authorization_endpoint'))
      url.searchParams.set('client_id', client.client_id)
      url.searchParams.set('scope', 'openid email profile')
      url.searchParams.set('response_type', 'code')
      url.searchParams.set('redirect_uri', redirectUri)
      url.searchParams.set('state', value)
      states.add(value)
      return url
    },
    async callback(location) {
      const target = new URL(location)
      if (`${target.origin}${target.pathname}` !== redirectUri) throw new Error(`not the callback: ${target.href}`)
      const { code, state, iss, error } = Object.fromEntries(target.searchParams)
      if (error !== undefined) throw new Error(error)
      if (state === undefined || !states.delete(state)) throw new Error(`the state came back changed: ${state}`)
      if (iss !== undefined && iss !== issuer) throw new Error(`another issuer: ${iss}`)
      const tokens = await redeem(code ?? '')
      const { payload, protectedHeader } = await jwtVerify(tokens.id_token, keys, {
        issuer,
        audience: client.client_id,
        algorithms: ['RS256'],
      })
      if (protectedHeader.alg !== 'RS256') throw new Error(`signed with ${protectedHeader.alg}`)
      if (payload.nonce !== undefined) throw new Error('a nonce that nobody sent')
      const rawState = /[?&]state=([^&#]*)/.exec(`${location}`)?.[1] ?? ''
      const user = await userinfoOf(tokens.access_token)
      if (user.sub !== payload.sub) throw new Error('userinfo speaks of somebody else')
      return { rawState, idToken: payload, userinfo: user }
    },
    logout(idToken) {
      const url = new URL(endpoint('end_session_endpoint'))
      url.searchParams.set('client_id', client.client_id)
      url.searchParams.set('post_logout_redirect_uri', `${client.post_logout_redirect_uris[0]}`)
      if (idToken !== undefined) url.searchParams.set('id_token_hint', idToken)
      return url
    },
  }
}

/** Its entry in the gateway's configuration, which must be there before discovery. */
export function nocobaseClient(options: Omit<NocoBaseOptions, 'issuer'>): ClientEntry {
  const { clientId = 'nocobase', clientSecret = 'nocobase-secret-of-thirty-two-chars' } = options
  const { url = 'https://app.example.com', authentication = 'client_secret_basic' } = options
  return {
    client_id: clientId,
    client_secret: clientSecret,
    token_endpoint_auth_method: authentication,
    redirect_uris: [`${url}/api/oidc:redirect`],
    post_logout_redirect_uris: [`${url}/`],
    grant_types: ['authorization_code'],
    pkce: 'optional',
  }
}
