import { UnavailableError } from '../kernel/errors.ts'

export interface GateOptions {
  /** The name of what is behind it, for `UnavailableError`. */
  part: string
  /** How many are inside at once. */
  concurrency: number
  /** How many may wait; 0: nobody. */
  queue: number
  /** Milliseconds one may wait. */
  wait: number
}

interface WaitingCall {
  enter(): void
}

/**
 * Lets a few in at a time, first come first served; throws `UnavailableError` for the rest, without starting their work
 * (DO-1).
 */
export function createGate({ part, concurrency, queue, wait }: GateOptions): <R>(work: () => Promise<R>) => Promise<R> {
  const waiting = new Set<WaitingCall>()
  let inside = 0

  function turn(): Promise<void> {
    if (waiting.size >= queue) throw new UnavailableError(part)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      waiting.delete(entry)
      reject(new UnavailableError(part))
    }, wait)
    const entry = {
      enter() {
        clearTimeout(timer)
        waiting.delete(entry)
        resolve()
      },
    }
    waiting.add(entry)
    return promise
  }

  /** The place of one who leaves goes to the next, so that nobody slips in between. */
  function leave(): void {
    const [next] = waiting
    if (next === undefined) inside -= 1
    else next.enter()
  }

  return async (work) => {
    if (inside < concurrency) inside += 1
    else await turn()
    try {
      return await work()
    } finally {
      leave()
    }
  }
}
