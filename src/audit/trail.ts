import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { createSortableIds } from '../kernel/sortable-id.ts'
import { appendAll } from './appending.ts'
import type { AuditEvent, AuditRecord, AuditStore, AuditTrail } from './audit.ts'
import { createOutage } from './outage.ts'

/** Durations in milliseconds. */
export interface AuditTrailOptions {
  /** Events kept while the store is down; the oldest go first. Default 10 000. */
  capacity?: number
  /** Events written at once. Default 200. */
  batch?: number
  /** How long an event may wait for others to be written with. Default 50. */
  delay?: number
  /** The first wait after a failure; it doubles up to `retryMax`. Default 250 and 10 000. */
  retry?: number
  retryMax?: number
  /** The longest that `flush` and `close` take. Default 2000. */
  flushTimeout?: number
}

const DEFAULTS = {
  capacity: 10_000,
  batch: 200,
  delay: 50,
  retry: 250,
  retryMax: 10 * SECOND,
  flushTimeout: 2 * SECOND,
}

export function createAuditTrail(
  options: AuditTrailOptions,
  dependencies: { store: AuditStore; clock: Clock; log: Log },
): AuditTrail & { close(): Promise<void> } {
  const settings = { ...DEFAULTS, ...options }
  const { store, clock, log } = dependencies
  const nextId = createSortableIds(clock)
  const outage = createOutage(settings, { log })
  let queue: AuditRecord[] = []
  /** What is being written now; it is neither dropped nor counted twice. */
  let writing: AuditRecord[] = []
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> | undefined
  let closed = false

  function makeRoom(): void {
    const excess = queue.length + writing.length - settings.capacity
    if (excess > 0) outage.lose(queue.splice(0, excess).length)
  }

  function schedule(): void {
    if (timer !== undefined || turn !== undefined || queue.length === 0 || closed) return
    timer = setTimeout(() => void write(), waitAfter(outage.failures, settings)).unref()
  }

  /** One batch after the other until the queue is empty or the store fails; never throws. */
  function write(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    turn ??= writeAll().finally(() => {
      turn = undefined
      schedule()
    })
    return turn
  }

  async function writeAll(): Promise<void> {
    while (queue.length > 0) {
      writing = queue.slice(0, settings.batch)
      queue = queue.slice(writing.length)
      try {
        const refused = await appendAll(store, writing)
        for (const { event, reason } of refused) log.error('an audit event was refused', { event, reason })
        outage.lose(refused.length)
        writing = []
        outage.recovered()
      } catch (error) {
        queue = [...writing, ...queue]
        writing = []
        outage.failed(error, queue.length)
        makeRoom()
        return
      }
    }
  }

  async function flush(): Promise<void> {
    // A turn that is under way may have started before the last event, or be about to fail.
    const written = (turn ?? Promise.resolve()).then(write)
    const timeout = new AbortController()
    const late = pause(settings.flushTimeout, undefined, { signal: timeout.signal }).catch(() => {})
    await Promise.race([written, late])
    timeout.abort()
  }

  return {
    record(event: AuditEvent) {
      queue.push({ ...event, id: nextId(), time: clock.now() })
      if (closed) return outage.lose(queue.splice(0).length)
      makeRoom()
      schedule()
    },
    flush,
    get dropped() {
      return outage.lost
    },
    async close() {
      if (closed) return
      await flush()
      closed = true
      clearTimeout(timer)
      outage.lose(queue.splice(0).length)
    },
  }
}

function waitAfter(failures: number, { delay, retry, retryMax }: typeof DEFAULTS): number {
  return failures === 0 ? delay : Math.min(retry * 2 ** (failures - 1), retryMax)
}
