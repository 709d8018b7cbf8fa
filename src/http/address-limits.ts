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
const CLIENT_ENDPOINTS = new Set(['/token', '/token/introspection', '/token/revocation', '/request'])

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
    if (ctx.path === AUTHORIZATION) return beginnings
    return CLIENT_ENDPOINTS.has(ctx.path) ? failures : undefined
  }

  async function count(gate: Gate, network: string): Promise<boolean> {
    const counted = await state.increment(keyOf(gate.name, network), gate.window)
    if (counted < gate.limit) return counted <= gate.limit
    if (closed.size >= REMEMBERED) closed.clear()
    closed.set(`${gate.name} ${network}`, clock.now() + gate.window)
    return counted <= gate.limit
  }

  return async (ctx, next) => {
    const gate = gateOf(ctx)
    if (gate === undefined) return next()
    const network = networkOf(ctx.ip)
    const wait = (closed.get(`${gate.name} ${network}`) ?? 0) - clock.now()
    if (wait > 0) return refuse(ctx, wait)
    const early = gate === beginnings && ctx.cookies.get(options.sessionCookie, { signed: false }) === undefined
    const [counted] = await Promise.all([early ? count(gate, network) : undefined, next()])
    if (counted === false) return refuse(ctx, gate.window)
    if (gate === beginnings && !early && begunIn(ctx)) await count(gate, network)
    if (gate === failures && ctx.status === 401) {
      trail.record({ event: 'client.auth.fail', outcome: 'fail', ip: ctx.ip })
      await count(gate, network)
    }
  }
}

function begunIn(ctx: Context): boolean {
  return ctx.status === 303 && ctx.response.get('location').startsWith('/interaction/')
}

function refuse(ctx: Context, wait: number): void {
  // A person reads it, not a program.
  if (ctx.path === AUTHORIZATION) throw new RequestError('throttled', { retryAfter: wait })
  ctx.status = 429
  ctx.set('retry-after', `${Math.max(1, Math.ceil(wait / SECOND))}`)
  ctx.set('cache-control', 'no-store')
  ctx.body = { error: 'temporarily_unavailable', error_description: 'too many requests from this address' }
}
