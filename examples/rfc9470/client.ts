import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import * as oidc from 'openid-client'

export interface ClientOptions {
  issuer: string
  clientId: string
  clientSecret: string
  /** Of this client, without trailing slash. */
  url: string
  /** The resource server, and the name its tokens are for. */
  api: string
  audience: string
}

/** One browser's stay; in a real application this is a session store. */
interface Stay {
  token?: string
  /** The sign-in under way, and what to do after it. */
  waiting?: { state: string; verifier: string; maxAge?: number; then: string }
}

/**
 * A web application that calls the API for its user. When the API answers `insufficient_user_authentication`, it sends
 * the browser to the gateway with the very values the API asked for, and comes back to what the user was doing (RFC
 * 9470, 4).
 */
export async function createClient(options: ClientOptions): Promise<Server> {
  const { issuer, clientId, clientSecret, url, api, audience } = options
  const plain = new URL(issuer).protocol === 'http:' ? [oidc.allowInsecureRequests] : []
  const config = await oidc.discovery(new URL(issuer), clientId, clientSecret, undefined, { execute: plain })
  const stays = new Map<string, Stay>()

  function stayOf(request: IncomingMessage, response: ServerResponse): Stay {
    const [, known = ''] = /(?:^|; )stay=([\w-]+)/.exec(request.headers.cookie ?? '') ?? []
    const stay = stays.get(known)
    if (stay !== undefined) return stay
    const id = randomBytes(32).toString('base64url')
    const fresh: Stay = {}
    stays.set(id, fresh)
    response.setHeader('set-cookie', `stay=${id}; HttpOnly; SameSite=Lax; Path=/`)
    return fresh
  }

  async function signIn(
    response: ServerResponse,
    stay: Stay,
    asked: Record<string, string>,
    then: string,
  ): Promise<void> {
    const verifier = oidc.randomPKCECodeVerifier()
    const state = oidc.randomState()
    stay.waiting = { state, verifier, then, ...(asked.max_age !== undefined && { maxAge: Number(asked.max_age) }) }
    const target = oidc.buildAuthorizationUrl(config, {
      redirect_uri: `${url}/callback`,
      scope: 'openid bank:read bank:pay',
      resource: audience,
      state,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...asked,
    })
    redirect(response, target.href)
  }

  async function call(
    response: ServerResponse,
    stay: Stay,
    [method, path]: [string, string],
    here: string,
  ): Promise<void> {
    if (stay.token === undefined) return signIn(response, stay, {}, here)
    const answer = await fetch(`${api}${path}`, { method, headers: { authorization: `Bearer ${stay.token}` } })
    const asked = challengeOf(answer)
    if (asked?.error === 'insufficient_user_authentication') {
      const { acr_values, max_age } = asked
      return signIn(response, stay, { ...(acr_values && { acr_values }), ...(max_age && { max_age }) }, here)
    }
    if (asked?.error === 'invalid_token') return signIn(response, stay, {}, here)
    show(response, answer.status, await answer.text())
  }

  async function callback(request: IncomingMessage, response: ServerResponse, stay: Stay): Promise<void> {
    const { waiting } = stay
    if (waiting === undefined) return show(response, 400, 'no sign-in is under way')
    delete stay.waiting
    const { state, verifier, maxAge, then } = waiting
    try {
      const tokens = await oidc.authorizationCodeGrant(config, new URL(request.url ?? '', url), {
        expectedState: state,
        pkceCodeVerifier: verifier,
        ...(maxAge !== undefined && { maxAge }),
      })
      stay.token = tokens.access_token
      redirect(response, then)
    } catch (error) {
      // The person cancelled, or cannot reach what was asked for: once is enough.
      if (error instanceof oidc.AuthorizationResponseError) return show(response, 403, error.error)
      throw error
    }
  }

  return createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', url)
    const stay = stayOf(request, response)
    if (pathname === '/callback') return callback(request, response, stay)
    if (pathname === '/balance') return call(response, stay, ['GET', '/balance'], '/balance')
    if (pathname === '/pay') return call(response, stay, ['POST', '/payments'], '/pay')
    show(response, 200, 'GET /balance needs a sign-in, GET /pay a second factor that is younger than five minutes')
  })
}

/** The parameters of a Bearer challenge (RFC 6750, 3). */
function challengeOf(answer: Response): Record<string, string> | undefined {
  const header = answer.headers.get('www-authenticate')
  if (header === null) return undefined
  return Object.fromEntries([...header.matchAll(/(\w+)="([^"]*)"/g)].map(([, name = '', value = '']) => [name, value]))
}

function redirect(response: ServerResponse, location: string): void {
  response.writeHead(303, { location, 'cache-control': 'no-store' })
  response.end()
}

function show(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' })
  response.end(text)
}
