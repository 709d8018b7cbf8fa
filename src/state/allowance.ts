import { keyOf, type StateKey, type StateStore } from './store.ts'

/** So many of something within a window, for whoever `of` names. */
export interface Limit {
  /** A fixed word of ours. */
  name: string
  count: number
  /** Milliseconds. */
  window: number
  of: readonly string[]
}

export type Spent =
  /** Counted under each limit; `giveBack` makes up for it, for what turned out not to be a failure. */
  | { ok: true; giveBack(): Promise<void> }
  /** Nothing is counted. Milliseconds until there is room. */
  | { ok: false; wait: number }

const keyFor = ({ name, of }: Limit): StateKey => keyOf(name, ...of)

/**
 * Counts one under several limits at once, before it is judged: any number of parallel callers get at most the limit
 * between them (RL-4, CVE-2024-4629). One trip to the store.
 */
export async function spend(limits: readonly Limit[], state: StateStore): Promise<Spent> {
  const reserved = await Promise.all(
    limits.map(async (limit) => {
      const key = keyFor(limit)
      return { key, place: await state.reserve(key, limit.count, limit.window) }
    }),
  )
  const giveBack = async (): Promise<void> => {
    await Promise.all(reserved.map(({ key, place }) => (place.granted ? state.release(key, place) : undefined)))
  }
  const waits = reserved.map(({ place }) => (place.granted ? 0 : place.wait))
  const wait = Math.max(0, ...waits)
  if (wait === 0) return { ok: true, giveBack }
  await giveBack()
  return { ok: false, wait }
}

/** Milliseconds until there is room under every limit; undefined: there is. */
export async function waitUntilRoom(limits: readonly Limit[], state: StateStore): Promise<number | undefined> {
  const waits = await Promise.all(limits.map((limit) => state.waitFor(keyFor(limit), limit.count)))
  const known = waits.filter((wait) => wait !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}
