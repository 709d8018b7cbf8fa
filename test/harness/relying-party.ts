import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, type JWK, type JWTPayload, customFetch as jwksFetch, jwtVerify } from 'jose'
import * as client from 'openid-client'
import { fetchWith } from './exchange.ts'

export interface RelyingPartyOptions {
  /** Asked for its metadata at the first sign-in, so that it may start later than this. */
  issuer: string
  clientId?: string
  /** `none` makes it a public client. */
  clientSecret?: string | 'none'
  authentication?: 'client_secret_basic' | 'client_secret_post'
  /** Default `/callback`. */
  redirectPath?: string
  scope?: string
  /** `none` sends no challenge; default `S256`. */
  pkce?: 'S256' | 'none'
  /** `on` wants to hear of sign-outs; the gateway must then have 127.0.0.1 in `outbound.allowHosts`. */
  backChannel?: 'on' | 'off'
  /** PEM of the authority behind an https issuer. */
  ca?: string
  /** A loopback port to listen on; default: any. */
  port?: number
  /** Seconds that the clocks may differ: for gateways whose clock a test moves. */
  clockTolerance?: number
  /** Other proof of who it is than the secret, such as `client.PrivateKeyJwt(key)`. */
  proof?: client.ClientAuth
  /** Laid over its entry in the gateway's configuration; what openid-client has to know of it is told to it too. */
  metadata?: Partial<ClientEntry>
}

/** In the words of RFC 7591, as the gateway's configuration wants it. */
export interface ClientEntry {
  client_id: string
  client_secret?: string
  token_endpoint_auth_method: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'none'
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  backchannel_logout_uri?: string
  grant_types: ('authorization_code' | 'refresh_token')[]
  pkce: 'required' | 'optional'
  application_type?: 'web' | 'native'
  id_token_signed_response_alg?: 'RS256' | 'ES256'
  jwks?: { keys: JWK[] }
  default_acr_values?: string[]
  default_max_age?: number
  require?: 'pwd' | '2sv' | 'mfa'
  firstParty?: boolean
  /** What it may be given. */
  scope?: string
}

export interface SignIn {
  tokens: client.TokenEndpointResponse
  /** Of the ID token, whose signature, issuer, audience, nonce and times are checked. */
  claims: client.IDToken
  userinfo(): Promise<client.UserInfoResponse>
}

/** Sent with the authorization request; `undefined` leaves out what would be sent. */
export type Parameters = Readonly<Record<string, string | undefined>>

export interface RelyingParty {
  readonly url: string
  readonly redirectUri: string
  readonly postLogoutRedirectUri: string
  readonly backchannelLogoutUri: string
  readonly client: ClientEntry
  /** Claims of the logout tokens that were received and found right, oldest first. */
  readonly logouts: readonly JWTPayload[]
  /** Reasons why other logout tokens were refused. */
  readonly refusedLogouts: readonly string[]
  /** Where to send the browser, with a state, a nonce and a PKCE challenge of its own. */
  authorize(parameters?: Parameters): Promise<URL>
  /**
   * Redeems the code of a redirect to the callback. Rejects with openid-client's errors: `error` names the protocol's.
   */
  callback(location: string | URL): Promise<SignIn>
  /** What openid-client knows of the gateway, for requests that nothing here makes. */
  configuration(): Promise<client.Configuration>
  refresh(refreshToken: string, parameters?: Record<string, string>): Promise<SignIn>
  introspect(token: string): Promise<client.IntrospectionResponse>
  revoke(token: string): Promise<void>
  /** Where to send the browser to sign out at the gateway too. */
  logout(parameters?: Parameters): Promise<URL>
  /** Reads the issuer's metadata and keys again. */
  rediscover(): Promise<client.ServerMetadata>
  stop(): Promise<void>
}

interface Pending {
  nonce: string | undefined
  verifier: string | undefined
  maxAge: string | undefined
}

interface Local {
  signIn: SignIn
}

/**
 * A relying party on loopback that checks everything openid-client can check. Flow tests call `authorize` and
 * `callback`; browsers open `/login` (its query goes into the authorization request), `/` (the claims as JSON in
 * `#claims`) and `/logout`.
 */
export async function startRelyingParty(options: RelyingPartyOptions): Promise<RelyingParty> {
  const { clientId = 'rp', clientSecret = 'rp-secret-of-thirty-two-characters', redirectPath = '/callback' } = options
  const { scope = 'openid profile email groups', pkce = 'S256', authentication = 'client_secret_basic' } = options
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const redirectUri = `${url}${redirectPath}`
  const postLogoutRedirectUri = `${url}/signed-out`
  const backchannelLogoutUri = `${url}/backchannel-logout`
  const fetch = fetchWith(options.ca === undefined ? {} : { ca: options.ca })
  const pending = new Map<string, Pending>()
  const sessions = new Map<string, Local>()
  const logouts: JWTPayload[] = []
  const refusedLogouts: string[] = []
  let discovered: Promise<client.Configuration> | undefined

  const configuration = (): Promise<client.Configuration> => {
    discovered ??= discover().catch((error) => {
      discovered = undefined
      throw error
    })
    return discovered
  }

  async function discover(): Promise<client.Configuration> {
    const { id_token_signed_response_alg: alg } = options.metadata ?? {}
    const metadata = {
      ...(options.clockTolerance !== undefined && { [client.clockTolerance]: options.clockTolerance }),
      ...(alg !== undefined && { id_token_signed_response_alg: alg }),
    }
    const proof = options.proof ?? proofOf(clientSecret, authentication)
    const secure = new URL(options.issuer).protocol === 'https:'
    return client.discovery(new URL(options.issuer), clientId, metadata, proof, {
      [client.customFetch]: fetch,
      ...(secure ? {} : { execute: [client.allowInsecureRequests] }),
    })
  }

  function signInOf(tokens: client.TokenEndpointResponse & client.TokenEndpointResponseHelpers): SignIn {
    const claims = tokens.claims()
    if (claims === undefined) throw new Error('no ID token')
    const userinfo = async () => client.fetchUserInfo(await configuration(), tokens.access_token, claims.sub)
    return { tokens, claims, userinfo }
  }

  async function authorize(parameters: Parameters = {}): Promise<URL> {
    const verifier = pkce === 'S256' ? client.randomPKCECodeVerifier() : undefined
    const challenge = verifier === undefined ? undefined : await client.calculatePKCECodeChallenge(verifier)
    const sent = defined({
      redirect_uri: redirectUri,
      scope,
      state: client.randomState(),
      nonce: client.randomNonce(),
      code_challenge: challenge,
      code_challenge_method: challenge === undefined ? undefined : 'S256',
      ...parameters,
    })
    pending.set(sent.state ?? '', { nonce: sent.nonce, verifier, maxAge: sent.max_age })
    return client.buildAuthorizationUrl(await configuration(), sent)
  }

  async function callback(location: string | URL): Promise<SignIn> {
    const target = new URL(location, url)
    const state = target.searchParams.get('state')
    const asked = pending.get(state ?? '')
    if (asked === undefined) throw new Error(`nobody asked for ${target.href}`)
    const checks = defined({
      expectedState: state ?? undefined,
      expectedNonce: asked.nonce,
      pkceCodeVerifier: asked.verifier,
    })
    const maxAge = asked.maxAge === undefined ? {} : { maxAge: Number(asked.maxAge) }
    const tokens = await client.authorizationCodeGrant(await configuration(), target, {
      ...checks,
      ...maxAge,
      idTokenExpected: true,
    })
    pending.delete(state ?? '')
    return signInOf(tokens)
  }

  async function logout(parameters: Parameters = {}): Promise<URL> {
    const sent = defined({ post_logout_redirect_uri: postLogoutRedirectUri, ...parameters })
    return client.buildEndSessionUrl(await configuration(), sent)
  }

  /** OpenID Connect Back-Channel Logout 1.0, section 2.6. */
  async function verifyLogout(token: string): Promise<JWTPayload> {
    const { jwks_uri, issuer } = (await configuration()).serverMetadata()
    const keys = createRemoteJWKSet(new URL(jwks_uri ?? ''), { [jwksFetch]: fetch })
    const { payload, protectedHeader } = await jwtVerify(token, keys, {
      issuer,
      audience: clientId,
      requiredClaims: ['iat', 'exp', 'jti', 'events'],
    })
    const { events, sub, sid, nonce } = payload
    if (protectedHeader.typ?.toLowerCase() !== 'logout+jwt') throw new Error(`typ ${protectedHeader.typ}`)
    if (nonce !== undefined) throw new Error('a nonce')
    if (sub === undefined && sid === undefined) throw new Error('neither sub nor sid')
    const event = (events as Record<string, unknown>)['http://schemas.openid.net/event/backchannel-logout']
    if (typeof event !== 'object' || event === null) throw new Error('not an event of logout')
    return payload
  }

  async function receiveLogout(request: IncomingMessage): Promise<number> {
    const token = new URLSearchParams(await bodyOf(request)).get('logout_token') ?? ''
    try {
      const payload = await verifyLogout(token)
      logouts.push(payload)
      for (const [id, { signIn }] of sessions) {
        const { sub, sid } = signIn.claims
        if (payload.sid === undefined ? payload.sub === sub : payload.sid === sid) sessions.delete(id)
      }
      return 200
    } catch (error) {
      refusedLogouts.push(`${error}`)
      return 400
    }
  }

  async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = new URL(request.url ?? '/', url)
    const id = /(?:^|; )rp=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
    const session = sessions.get(id)
    if (target.pathname === '/login') {
      return redirect(response, (await authorize(Object.fromEntries(target.searchParams))).href)
    }
    if (target.pathname === redirectPath) {
      const fresh = client.randomState()
      sessions.set(fresh, { signIn: await callback(target) })
      return redirect(response, '/', `rp=${fresh}; HttpOnly; SameSite=Lax; Path=/`)
    }
    if (target.pathname === '/logout') {
      sessions.delete(id)
      const hint = session?.signIn.tokens.id_token
      return redirect(response, (await logout({ id_token_hint: hint })).href, 'rp=; Max-Age=0; Path=/')
    }
    if (target.pathname === '/backchannel-logout' && request.method === 'POST') {
      response.writeHead(await receiveLogout(request), { 'cache-control': 'no-store' }).end()
      return
    }
    if (target.pathname === '/signed-out') return page(response, 200, '<h1>Signed out</h1>')
    if (target.pathname !== '/') return page(response, 404, '<h1>Not found</h1>')
    if (session === undefined) return page(response, 200, '<h1>Signed out</h1><a href="/login">Sign in</a>')
    const claims = inHtml(JSON.stringify(session.signIn.claims, undefined, 2))
    page(response, 200, `<h1>Signed in</h1><pre id="claims">${claims}</pre><a href="/logout">Sign out</a>`)
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await respond(request, response)
    } catch (error) {
      const name = error instanceof client.AuthorizationResponseError ? error.error : `${error}`
      page(response, 400, `<h1>Failed</h1><pre id="error">${inHtml(name)}</pre><a href="/login">Try again</a>`)
    }
  }

  const isPublic = clientSecret === 'none'
  return {
    url,
    redirectUri,
    postLogoutRedirectUri,
    backchannelLogoutUri,
    client: {
      client_id: clientId,
      ...(isPublic ? {} : { client_secret: clientSecret }),
      token_endpoint_auth_method: isPublic ? 'none' : authentication,
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [postLogoutRedirectUri],
      ...(options.backChannel === 'on' ? { backchannel_logout_uri: backchannelLogoutUri } : {}),
      grant_types: ['authorization_code', 'refresh_token'],
      pkce: pkce === 'S256' ? 'required' : 'optional',
      ...options.metadata,
    },
    logouts,
    refusedLogouts,
    configuration,
    authorize,
    callback,
    refresh: async (token, parameters) =>
      signInOf(await client.refreshTokenGrant(await configuration(), token, parameters)),
    introspect: async (token) => client.tokenIntrospection(await configuration(), token),
    revoke: async (token) => client.tokenRevocation(await configuration(), token),
    logout,
    async rediscover() {
      discovered = undefined
      return (await configuration()).serverMetadata()
    },
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function proofOf(secret: string, method: 'client_secret_basic' | 'client_secret_post'): client.ClientAuth {
  if (secret === 'none') return client.None()
  return method === 'client_secret_post' ? client.ClientSecretPost(secret) : client.ClientSecretBasic(secret)
}

function defined(values: Parameters): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}

function redirect(response: ServerResponse, location: string, cookie?: string): void {
  response.writeHead(303, { location, ...(cookie === undefined ? {} : { 'set-cookie': cookie }) }).end()
}

function page(response: ServerResponse, status: number, main: string): void {
  const head = '<!doctype html><html lang="en"><meta charset="utf-8"><title>Relying party</title>'
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(`${head}<main>${main}</main></html>`)
}

function inHtml(text: string): string {
  return text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`)
}
