import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import * as oidc from 'openid-client'
import { pathOf, sendPage } from './page.ts'
import { failurePage, homePage, type Shown, welcomePage } from './relying-party-pages.ts'

export interface RelyingPartyOptions {
  issuer: string
  clientId: string
  clientSecret: string
  /** Where this application is reached. */
  url: string
  inbox: string
  /** For the page that greets a newcomer. */
  accounts: readonly { username: string; password: string; story: string }[]
}

/** What the application remembers of one browser. */
interface BrowserSession {
  pending?: { state: string; nonce: string; verifier: string; sensitive: boolean }
  user?: Shown & { idToken: string }
}

const COOKIE = 'demo_app'
const SCOPE = 'openid profile email groups'
/** What the application asks for before it does something sensitive. */
const SENSITIVE_LEVEL = 'urn:stepgate:acr:mfa'
const MAX_SESSIONS = 1000

/** A small application that lets people in through the gateway, as any OpenID Connect client does. */
export function createRelyingParty(options: RelyingPartyOptions): Server {
  const sessions = new Map<string, BrowserSession>()
  let discovered: Promise<oidc.Configuration> | undefined
  const provider = (): Promise<oidc.Configuration> => {
    const { issuer, clientId, clientSecret } = options
    // The demo speaks plain HTTP on the loopback interface.
    discovered ??= oidc.discovery(new URL(issuer), clientId, clientSecret, undefined, {
      execute: [oidc.allowInsecureRequests],
    })
    return discovered
  }

  /** The session of this browser, begun with this response where there is none. */
  function sessionOf(request: IncomingMessage, response: ServerResponse): BrowserSession {
    const id = new RegExp(`(?:^|; )${COOKIE}=([\\w-]+)`).exec(request.headers.cookie ?? '')?.[1]
    const known = id === undefined ? undefined : sessions.get(id)
    if (known !== undefined) return known
    const fresh = randomBytes(32).toString('base64url')
    const session: BrowserSession = {}
    if (sessions.size >= MAX_SESSIONS) sessions.clear()
    sessions.set(fresh, session)
    response.setHeader('set-cookie', `${COOKIE}=${fresh}; Path=/; HttpOnly; SameSite=Lax`)
    return session
  }

  async function authorize(
    session: BrowserSession,
    response: ServerResponse,
    kind: 'sign-in' | 'sensitive',
  ): Promise<void> {
    const pending = {
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
      verifier: oidc.randomPKCECodeVerifier(),
      sensitive: kind === 'sensitive',
    }
    session.pending = pending
    const url = oidc.buildAuthorizationUrl(await provider(), {
      redirect_uri: `${options.url}/callback`,
      scope: SCOPE,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
      ...(pending.sensitive && { acr_values: SENSITIVE_LEVEL }),
    })
    redirect(response, url.href)
  }

  async function callback(session: BrowserSession, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pending } = session
    if (pending === undefined) return redirect(response, '/')
    delete session.pending
    const url = new URL(request.url ?? '/', options.url)
    const configuration = await provider()
    const tokens = await oidc.authorizationCodeGrant(configuration, url, {
      expectedState: pending.state,
      expectedNonce: pending.nonce,
      pkceCodeVerifier: pending.verifier,
      idTokenExpected: true,
    })
    const claims = tokens.claims()
    if (claims === undefined || tokens.id_token === undefined) throw new Error('the answer has no ID token')
    const userinfo = await oidc.fetchUserInfo(configuration, tokens.access_token, claims.sub)
    // The ID token says what was proved: asking for a level is not the same as getting it.
    const sensitive = pending.sensitive ? { asked: SENSITIVE_LEVEL, done: claims.acr === SENSITIVE_LEVEL } : undefined
    session.user = { claims, userinfo, sensitive, idToken: tokens.id_token }
    redirect(response, '/')
  }

  async function signOut(session: BrowserSession, response: ServerResponse): Promise<void> {
    const idToken = session.user?.idToken
    delete session.user
    if (idToken === undefined) return redirect(response, '/')
    const parameters = { id_token_hint: idToken, post_logout_redirect_uri: `${options.url}/` }
    redirect(response, oidc.buildEndSessionUrl(await provider(), parameters).href)
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const session = sessionOf(request, response)
    const route = `${request.method} ${pathOf(request)}`
    if (route === 'GET /') {
      const { user } = session
      return sendPage(response, user === undefined ? homePage(options) : welcomePage(options, user))
    }
    if (route === 'GET /sign-in') return authorize(session, response, 'sign-in')
    if (route === 'GET /sensitive') return authorize(session, response, 'sensitive')
    if (route === 'GET /callback') return callback(session, request, response)
    if (route === 'POST /sign-out') return signOut(session, response)
    return sendPage(response, failurePage('There is no such page', 404))
  }

  return createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (response.headersSent) return void response.destroy()
      sendPage(response, failurePage(describe(error), 400))
    })
  })
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location, 'cache-control': 'no-store' }).end()
}

function describe(error: unknown): string {
  if (error instanceof oidc.AuthorizationResponseError) {
    return error.error === 'access_denied'
      ? 'The sign-in was cancelled.'
      : `${error.error}: ${error.error_description ?? ''}`
  }
  return error instanceof Error ? error.message : String(error)
}
