import { messageOf } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'

/**
 * What is known of the store of the audit: whether it takes events, and how many are lost. Each outage is one alarm in
 * the log.
 */
export interface Outage {
  /** Failures in a row; above 0 there is an outage. */
  readonly failures: number
  /** Events lost since start. */
  readonly lost: number
  /** `waiting`: events that are to be written later. */
  failed(error: unknown, waiting: number): void
  recovered(): void
  /** The first loss of an outage is an alarm too. */
  lose(count: number): void
}

/** `capacity`: how many events may wait. */
export function createOutage(options: { capacity: number }, { log }: { log: Log }): Outage {
  let failures = 0
  let lost = 0
  /** Lost before the outage. */
  let lostBefore = 0
  return {
    get failures() {
      return failures
    },
    get lost() {
      return lost
    },
    failed(error, waiting) {
      failures += 1
      if (failures > 1) return
      lostBefore = lost
      log.error('audit events cannot be written', { waiting, reason: messageOf(error) })
    },
    recovered() {
      if (failures === 0) return
      failures = 0
      log.info('audit events are written again', { lost: lost - lostBefore })
      lostBefore = lost
    },
    lose(count) {
      if (count === 0) return
      if (lost === lostBefore) log.error('audit events are lost', { capacity: options.capacity })
      lost += count
    },
  }
}
