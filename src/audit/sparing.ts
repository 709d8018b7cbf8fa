import { type Clock, MINUTE } from '../kernel/clock.ts'
import { networkOf } from '../kernel/network.ts'
import type { AuditEvent, AuditEventName, AuditTrail } from './audit.ts'

/**
 * What strangers can cause at will: the first of each kind, network and minute tells the story, metrics count the rest.
 */
const AT_WILL: ReadonlySet<AuditEventName> = new Set([
  'host.rejected',
  'csrf.rejected',
  'login.throttled',
  'client.auth.fail',
])
const REMEMBERED = 10_000

/** A trail whose store strangers cannot fill. */
export function createSparingTrail(trail: AuditTrail, { clock }: { clock: Clock }): AuditTrail {
  const told = new Map<string, number>()

  function first({ event, ip = '', account = '' }: AuditEvent): boolean {
    if (!AT_WILL.has(event)) return true
    const key = `${event} ${networkOf(ip)} ${account}`
    const now = clock.now()
    if ((told.get(key) ?? 0) > now - MINUTE) return false
    if (told.size >= REMEMBERED) told.clear()
    told.set(key, now)
    return true
  }

  return {
    record(event) {
      if (first(event)) trail.record(event)
    },
    flush: () => trail.flush(),
    get dropped() {
      return trail.dropped
    },
  }
}
