import { setTimeout as pause } from 'node:timers/promises'

export interface Ending {
  /** Takes nothing new and lets what is under way finish; bounded by itself. */
  stop(): Promise<unknown>
  /** Writes what is known so far; bounded by itself. */
  flush(): Promise<void>
  /** Waits for others, who may never answer. */
  settled(): Promise<unknown>
}

/**
 * Others get what is left of `patience` (milliseconds), and what is already known is written before they are waited
 * for.
 */
export async function shutDown({ stop, flush, settled }: Ending, patience: number): Promise<void> {
  const end = performance.now() + patience
  await stop()
  await flush()
  const told = new AbortController()
  const late = pause(Math.max(0, end - performance.now()), undefined, { signal: told.signal }).catch(() => undefined)
  await Promise.race([settled(), late])
  told.abort()
  await flush()
}
