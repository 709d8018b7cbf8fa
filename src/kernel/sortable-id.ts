import { randomBytes } from 'node:crypto'
import type { Clock } from './clock.ts'

const TIME_DIGITS = 12
const COUNTER_DIGITS = 4
const LARGEST_COUNTER = 16 ** COUNTER_DIGITS - 1
const RANDOM_BYTES = 8

/**
 * Ids whose order as text is the order in which one process made them, also when the clock goes back, and the order of
 * time between processes: 32 hexadecimal digits of milliseconds, a counter, and 64 random bits.
 */
export function createSortableIds(clock: Clock): () => string {
  let time = 0
  let counter = 0
  return () => {
    const now = Math.trunc(clock.now())
    if (now > time) {
      time = now
      counter = 0
    } else if (counter === LARGEST_COUNTER) {
      time += 1
      counter = 0
    } else {
      counter += 1
    }
    const random = randomBytes(RANDOM_BYTES).toString('hex')
    return hex(time, TIME_DIGITS) + hex(counter, COUNTER_DIGITS) + random
  }
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0')
}
