import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'

/** What a route asks of whoever calls it. */
interface Requirement {
  scope: string
  /** Levels of which the token must name one; absent: any. */
  acrValues?: readonly string[]
  /** Seconds since the person proved who they are; absent: any. */
  maxAge?: number
}

const ROUTES: Record<string, Requirement> = {
  'GET /balance': { scope: 'bank:read' },
  'POST /payments': { scope: 'bank:pay', acrValues: ['urn:stepgate:acr:mfa'], maxAge: 300 },
}

/** Seconds by which clocks may differ. */
const CLOCK_TOLERANCE = 5

/**
 * A small resource server: tokens are checked by the gateway's published keys (RFC 9068), and a route that needs more
 * than a token proves says what (RFC 9470). It keeps nothing and asks nobody.
 */
export function createApi(options: { issuer: string; audience: string }): Server {
  const keys = createRemoteJWKSet(new URL('/jwks', options.issuer))

  async function claimsOf(request: IncomingMessage): Promise<JWTPayload | undefined> {
    const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? []
    if (token === undefined) return undefined
    try {
      const { issuer, audience } = options
      const checked = { issuer, audience, typ: 'at+jwt', clockTolerance: CLOCK_TOLERANCE }
      return (await jwtVerify(token, keys, checked)).payload
    } catch (error) {
      if (error instanceof errors.JOSEError) return undefined
      throw error
    }
  }

  return createServer(async (request, response) => {
    const requirement = ROUTES[`${request.method} ${request.url}`]
    if (requirement === undefined) return answer(response, 404, { error: 'not found' })
    const claims = await claimsOf(request)
    if (claims === undefined) return challenge(response, 401, { error: 'invalid_token' })
    if (
      !String(claims.scope ?? '')
        .split(' ')
        .includes(requirement.scope)
    ) {
      return challenge(response, 403, { error: 'insufficient_scope', scope: requirement.scope })
    }
    if (!satisfies(claims, requirement)) return challenge(response, 401, stepUp(requirement))
    return answer(response, 200, { ok: true, acr: claims.acr, amr: claims.amr, auth_time: claims.auth_time })
  })
}

function satisfies(claims: JWTPayload, { acrValues, maxAge }: Requirement): boolean {
  const { acr, auth_time } = claims as { acr?: string; auth_time?: number }
  if (acrValues !== undefined && !acrValues.includes(acr ?? '')) return false
  const age = Math.floor(Date.now() / 1000) - (auth_time ?? 0)
  return maxAge === undefined || age <= maxAge + CLOCK_TOLERANCE
}

/** RFC 9470, 3: what would be enough. */
function stepUp({ acrValues, maxAge }: Requirement): Record<string, string> {
  return {
    error: 'insufficient_user_authentication',
    error_description: 'A stronger or more recent authentication is required',
    ...(acrValues !== undefined && { acr_values: acrValues.join(' ') }),
    ...(maxAge !== undefined && { max_age: `${maxAge}` }),
  }
}

function challenge(response: ServerResponse, status: 401 | 403, parameters: Record<string, string>): void {
  const listed = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`)
  response.setHeader('www-authenticate', `Bearer ${listed.join(', ')}`)
  answer(response, status, { error: parameters.error })
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}
