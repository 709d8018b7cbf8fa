import type { Context, Middleware } from 'koa'
import type { AuditTrail } from '../audit/audit.ts'
import { type Clock, MINUTE, SECOND } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import { networkOf } from '../kernel/network.ts'
import { keyOf, type StateStore } from '../state/store.ts'

export interface AddressLimitOptions {
  /** Sign-ins begun per network in 15 minutes (DO-5). */
  interactions: number
  /** Failed client authentications per network and minute (RL-9). */
  clientFailures: number
  /** Without this cookie a browser has no session, and a request of it begins an interaction as a rule. */
  sessionCookie: string
}

interface Gate {
  name: string
  limit: number
  window: number
}

/** Refusals one process remembers; whoever is forgotten is counted again. */
const REMEMBERED = 10_000
const AUTHORIZATION = '/auth'
const PUSHED = '/request'
const CLIENT_ENDPOINTS = new Set(['/token', '/token/introspection', '/token/revocation', PUSHED])
/** Here the engine keeps something for whoever asks: an interaction, a pushed request, a session of nobody. */
const KEEPING = new Set([AUTHORIZATION, PUSHED, '/session/end', '/session/end/confirm'])
/** A sign-in goes on here; the engine begins another interaction where something is still missing. */
const RESUME = /^\/auth\/[^/]+$/

/** A path as the engine's router reads it: any case, one slash at the end. */
export function routeOf(path: string): string {
  return (path.length > 1 ? path.replace(/\/$/, '') : path).toLowerCase()
}

/**
 * Bounds what strangers can make the gateway keep, and how fast client secrets can be guessed. Counting costs nothing
 * on the way of those who succeed: beginnings are counted beside the engine's own work, failures after it; a network
 * over its limit is refused by this process until the window ends, before the engine sees it.
 */
export function addressLimits(
  options: AddressLimitOptions,
  { state, clock, trail }: { state: StateStore; clock: Clock; trail: AuditTrail },
): Middleware {
  const beginnings: Gate = { name: 'interactions-begun', limit: options.interactions, window: 15 * MINUTE }
  const failures: Gate = { name: 'client-failures', limit: options.clientFailures, window: MINUTE }
  const closed = new Map<string, number>()

  function gatesOf(route: string): Gate[] {
    const keeps = KEEPING.has(route) || RESUME.test(route)
    return [...(keeps ? [beginnings] : []), ...(CLIENT_ENDPOINTS.has(route) ? [failures] : [])]
  }

  const nameOf = (gate: Gate, network: string): string => `${gate.name} ${network}`

  /** Milliseconds until the window ends when there was no room left; undefined: counted. */
  async function count(gate: Gate, network: string): Promise<number | undefined> {
    const key = keyOf(gate.name, network)
    const place = await state.reserve(key, gate.limit, gate.window)
    if (place.granted && place.left > 0) return undefined
    // The last place was taken: nobody else has to ask.
    const wait = place.granted ? await state.waitFor(key, gate.limit) : place.wait
    if (wait === undefined) return undefined
    if (closed.size >= REMEMBERED) closed.clear()
    closed.set(nameOf(gate, network), clock.now() + wait)
    return place.granted ? undefined : wait
  }

  return async (ctx, next) => {
    const route = routeOf(ctx.path)
    const gates = gatesOf(route)
    if (gates.length === 0) return next()
    const network = networkOf(ctx.ip)
    const wait = Math.max(...gates.map((gate) => closed.get(nameOf(gate, network)) ?? 0)) - clock.now()
    if (wait > 0) return refuse(ctx, wait)
    const early = route === AUTHORIZATION && ctx.cookies.get(options.sessionCookie, { signed: false }) === undefined
    const [over] = await Promise.all([early ? count(beginnings, network) : undefined, next()])
    if (over !== undefined) return refuse(ctx, over)
    if (!early && gates.includes(beginnings) && keptIn(ctx, options.sessionCookie)) await count(beginnings, network)
    if (!CLIENT_ENDPOINTS.has(route) || ctx.status !== 401) return
    trail.record({ event: 'client.auth.fail', outcome: 'fail', ip: ctx.ip })
    await count(failures, network)
  }
}

/**
 * Whether the engine has begun an interaction, keeps a pushed request, or keeps a session of nobody, whatever cookie it
 * came with.
 */
function keptIn(ctx: Context, sessionCookie: string): boolean {
  if (routeOf(ctx.path) === PUSHED) return ctx.status < 400
  if (ctx.status === 303 && ctx.response.get('location').startsWith('/interaction/')) return true
  const { session } = (ctx as { oidc?: { session?: { accountId?: string } } }).oidc ?? {}
  if (session === undefined || session.accountId !== undefined) return false
  const cookies = [ctx.res.getHeader('set-cookie') ?? []].flat()
  return cookies.some((cookie) => `${cookie}`.startsWith(`${sessionCookie}=`))
}

function refuse(ctx: Context, wait: number): void {
  // A person reads it, not a program.
  if (!CLIENT_ENDPOINTS.has(routeOf(ctx.path))) throw new RequestError('throttled', { retryAfter: wait })
  ctx.status = 429
  ctx.set('retry-after', `${Math.max(1, Math.ceil(wait / SECOND))}`)
  ctx.set('cache-control', 'no-store')
  ctx.body = { error: 'temporarily_unavailable', error_description: 'too many requests from this address' }
}
