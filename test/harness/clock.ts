import type { Clock } from '../../src/kernel/clock.ts'

/**
 * Time of a test. It stands still: what an app shows is the same code a moment later, however long that moment takes.
 */
export interface TestClock extends Clock {
  /** Milliseconds; below zero it goes back. */
  advance(by: number): void
  /** The real time has passed here too, which the engine goes by. */
  catchUp(): void
}

/** `start`: milliseconds since the epoch; the real time when undefined. */
export function createTestClock(start?: number): TestClock {
  let standing = start ?? Date.now()
  let ahead = 0
  return {
    now: () => standing + ahead,
    advance(by) {
      ahead += by
    },
    catchUp() {
      standing = Date.now()
    },
  }
}

/** Of tests that say themselves what time it is: a date that nobody lives at. */
export const FIXED = Date.parse('2026-01-01T00:00:00Z')
