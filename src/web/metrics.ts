import { createServer, type RequestListener, type Server } from 'node:http'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { AuditEvent, AuditTrail } from '../audit/audit.ts'
import { type Clock, SECOND } from '../kernel/clock.ts'
import type { Outbox } from '../mail/outbox.ts'

export interface Metrics {
  /** The same trail, every event counted by name and outcome. */
  counting(trail: AuditTrail): AuditTrail
  /** `/metrics` in the Prometheus text form, `/livez` and `/readyz` besides; it does not listen yet. */
  server(health: RequestListener): Server
  /** Gauges of the letters that wait; not a number while the store is down. */
  watch(outbox: Pick<Outbox, 'waiting'>, clock: Clock): void
  /** A gauge of what the time servers say; `offset`: milliseconds, undefined while it is not known. */
  watchClock(offset: () => number | undefined): void
}

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const events = new Counter({
    name: 'stepgate_events_total',
    help: 'Audit events by name and outcome',
    labelNames: ['event', 'outcome'],
    registers: [registry],
  })
  function gauge(name: string, help: string, measure: () => Promise<number>): void {
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        this.set(await measure().catch(() => Number.NaN))
      },
    })
  }

  return {
    counting(trail) {
      new Gauge({
        name: 'stepgate_audit_dropped',
        help: 'Audit events that could not be written and were dropped since start',
        registers: [registry],
        collect() {
          this.set(trail.dropped)
        },
      })
      return {
        record(event: AuditEvent) {
          events.inc({ event: event.event, outcome: event.outcome })
          trail.record(event)
        },
        flush: () => trail.flush(),
        get dropped() {
          return trail.dropped
        },
      }
    },
    watch(outbox, clock) {
      gauge('stepgate_outbox_waiting', 'Letters that wait to be sent', async () => (await outbox.waiting()).count)
      gauge('stepgate_outbox_oldest_seconds', 'Age of the oldest letter that waits, 0 without one', async () => {
        const { oldest } = await outbox.waiting()
        return oldest === undefined ? 0 : Math.max(0, clock.now() - oldest) / SECOND
      })
    },
    watchClock(offset) {
      const help = 'Seconds by which the time servers are ahead of this server, not a number while that is not known'
      gauge('stepgate_clock_offset_seconds', help, async () => (offset() ?? Number.NaN) / SECOND)
    },
    server(health) {
      return createServer(async (request, response) => {
        if (request.url !== '/metrics') return void health(request, response)
        response.writeHead(200, { 'content-type': registry.contentType })
        response.end(await registry.metrics())
      })
    },
  }
}
