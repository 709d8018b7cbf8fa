import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, SECOND } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { createSortableIds } from '../kernel/sortable-id.ts'
import type { AuditEvent, AuditRecord, AuditStore, AuditTrail } from './audit.ts'

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
  let queue: AuditRecord[] = []
  /** What is being written now; it is neither dropped nor counted twice. */
  let writing: AuditRecord[] = []
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> | undefined
  let dropped = 0
  /** Failures in a row; above 0 there is an outage, and its alarm has been given. */
  let failures = 0
  let droppedBefore = 0
  let closed = false

  function drop(records: AuditRecord[]): void {
    if (records.length === 0) return
    if (dropped === droppedBefore) log.error('audit events are lost', { capacity: settings.capacity })
    dropped += records.length
  }

  function makeRoom(): void {
    const excess = queue.length + writing.length - settings.capacity
    if (excess > 0) drop(queue.splice(0, excess))
  }

  function schedule(): void {
    if (timer !== undefined || turn !== undefined || queue.length === 0 || closed) return
    const wait = failures === 0 ? settings.delay : Math.min(settings.retry * 2 ** (failures - 1), settings.retryMax)
    timer = setTimeout(() => void write(), wait).unref()
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
        await append(writing)
        writing = []
        recovered()
      } catch (error) {
        queue = [...writing, ...queue]
        writing = []
        failed(error)
        makeRoom()
        return
      }
    }
  }

  /** A record that the store refuses while it takes others must not stand in their way. */
  async function append(records: AuditRecord[]): Promise<void> {
    try {
      await store.append(records)
    } catch (error) {
      if (error instanceof UnavailableError || records.length === 1) throw error
      const refused = await appendOneByOne(records)
      if (refused.length === records.length) throw error
      for (const { event } of refused) log.error('an audit event was refused', { event, reason: reasonOf(error) })
      drop(refused)
    }
  }

  async function appendOneByOne(records: AuditRecord[]): Promise<AuditRecord[]> {
    const refused: AuditRecord[] = []
    for (const record of records) {
      try {
        await store.append([record])
      } catch (error) {
        if (error instanceof UnavailableError) throw error
        refused.push(record)
      }
    }
    return refused
  }

  function failed(error: unknown): void {
    failures += 1
    if (failures > 1) return
    droppedBefore = dropped
    log.error('audit events cannot be written', { waiting: queue.length, reason: reasonOf(error) })
  }

  function recovered(): void {
    if (failures === 0) return
    failures = 0
    log.info('audit events are written again', { lost: dropped - droppedBefore })
    droppedBefore = dropped
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
      if (closed) return drop(queue.splice(0))
      makeRoom()
      schedule()
    },
    flush,
    get dropped() {
      return dropped
    },
    async close() {
      if (closed) return
      await flush()
      closed = true
      clearTimeout(timer)
      drop(queue.splice(0))
    },
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
