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
  /** A browser with this cookie has a session, and starts no interaction as a rule. */
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
const CLIENT_ENDPOINTS = new Set(['/token', '/token/introspection', '/token/revocation'])
/** A sign-in goes on here; the engine begins another interaction where something is still missing. */
const RESUME = /^\/auth\/[^/]+$/
/** Here the engine keeps something for whoever asks: a pushed request, a session that waits for a sign-out. */
const KEEPING = new Set(['/request', '/session/end'])

/** A path as the engine's router reads it: any case, one slash at the end. */
export function routeOf(path: string): string {
  return (path.length > 1 ? path.replace(/\/$/, '') : path).toLowerCase()
}

/**
 * Bounds what strangers can make the gateway keep, and how fast client secrets can be guessed. Counting costs nothing on the way of
 * those who succeed: beginnings are counted beside the engine's own work, failures after it; a network over its limit is refused
 * by this process until the window ends, before the engine sees it.
 */
export function addressLimits(
  options: AddressLimitOptions,
  { state, clock, trail }: { state: StateStore; clock: Clock; trail: AuditTrail },
): Middleware {
  const beginnings: Gate = { name: 'interactions-begun', limit: options.interactions, window: 15 * MINUTE }
  const failures: Gate = { name: 'client-failures', limit: options.clientFailures, window: MINUTE }
  const closed = new Map<string, number>()

  function gateOf(ctx: Context): Gate | undefined {
    const route = routeOf(ctx.path)
    if (route === AUTHORIZATION || RESUME.test(route) || KEEPING.has(route)) return beginnings
    return CLIENT_ENDPOINTS.has(route) ? failures : undefined
  }

  /** Milliseconds until the window ends when there was no room left; undefined: counted. */
  async function count(gate: Gate, network: string): Promise<number | undefined> {
    const place = await state.reserve(keyOf(gate.name, network), gate.limit, gate.window)
    if (place.granted) return undefined
    if (closed.size >= REMEMBERED) closed.clear()
    closed.set(`${gate.name} ${network}`, clock.now() + place.wait)
    return place.wait
  }

  return async (ctx, next) => {
    const gate = gateOf(ctx)
    if (gate === undefined) return next()
    const network = networkOf(ctx.ip)
    const wait = (closed.get(`${gate.name} ${network}`) ?? 0) - clock.now()
    if (wait > 0) return refuse(ctx, wait)
    const stranger = ctx.cookies.get(options.sessionCookie, { signed: false }) === undefined
    const early = routeOf(ctx.path) === AUTHORIZATION && stranger
    const [over] = await Promise.all([early ? count(gate, network) : undefined, next()])
    if (over !== undefined) return refuse(ctx, over)
    if (gate === beginnings && !early && (begunIn(ctx) || keptIn(ctx, stranger))) await count(gate, network)
    const failed = ctx.status === 401 && routeOf(ctx.path) !== AUTHORIZATION
    if (failed) trail.record({ event: 'client.auth.fail', outcome: 'fail', ip: ctx.ip })
    if (failed) await count(failures, network)
  }
}

function begunIn(ctx: Context): boolean {
  return ctx.status === 303 && ctx.response.get('location').startsWith('/interaction/')
}

function keptIn(ctx: Context, stranger: boolean): boolean {
  const route = routeOf(ctx.path)
  return KEEPING.has(route) && (route === '/request' || stranger) && ctx.status < 400
}

function refuse(ctx: Context, wait: number): void {
  // A person reads it, not a program.
  if (!CLIENT_ENDPOINTS.has(routeOf(ctx.path)) && routeOf(ctx.path) !== '/request')
    throw new RequestError('throttled', { retryAfter: wait })
  ctx.status = 429
  ctx.set('retry-after', `${Math.max(1, Math.ceil(wait / SECOND))}`)
  ctx.set('cache-control', 'no-store')
  ctx.body = { error: 'temporarily_unavailable', error_description: 'too many requests from this address' }
}
