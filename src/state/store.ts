import { sha256 } from '../kernel/secrets.ts'

declare const stateKey: unique symbol
/** A key of the state store: its kind, then a hash. The kinds keep records of different meaning apart. */
export type StateKey = string & { readonly [stateKey]: true }

/**
 * `kind` is a fixed word of ours (`pending`, `challenge`, …); `parts` are identities and never reach the store as text
 * (KM-8, IN-3).
 */
export function keyOf(kind: string, ...parts: string[]): StateKey {
  return `${kind}:${sha256(parts.map((part) => `${part.length}:${part}`).join('')).slice(0, 32)}` as StateKey
}

export type Reservation =
  /** `left`: places after this one; `window`: names the window for `release`. */
  | { granted: true; left: number; window: string }
  /** Milliseconds until the window ends. */
  | { granted: false; wait: number }

/**
 * Short-lived state shared by every gateway process. Each operation is atomic on its key; each value has a time to
 * live, in milliseconds, and is gone when that is over. Every operation throws `UnavailableError` when the store cannot
 * serve: nobody may go on as if the answer had been "nothing there" (FA-1).
 */
export interface StateStore {
  get(key: StateKey): Promise<string | undefined>
  /** Writes whatever was there before. */
  set(key: StateKey, value: string, ttl: number): Promise<void>
  /** True for the one caller that set it; false when the key exists. */
  add(key: StateKey, value: string, ttl: number): Promise<boolean>
  /** Reads and removes: at most one caller gets the value. */
  take(key: StateKey): Promise<string | undefined>
  /** Counts up from 1. The window starts with the first call and is not prolonged by later ones. */
  increment(key: StateKey, window: number): Promise<number>
  /**
   * Takes one of so many places. Any number of parallel callers hold at most `places` between them; the window starts
   * with the first and is not prolonged. The key belongs to this operation and its two companions alone.
   */
  reserve(key: StateKey, places: number, window: number): Promise<Reservation>
  /** Gives a place back; without effect when its window is over. */
  release(key: StateKey, reservation: { window: string }): Promise<void>
  /** Milliseconds until there is a place; undefined: there is one. */
  waitFor(key: StateKey, places: number): Promise<number | undefined>
  /** Writes only if the value is still `expected`; answers whether it did. */
  compareAndSet(key: StateKey, expected: string, value: string, ttl: number): Promise<boolean>
  /** Removing what is not there is fine. */
  delete(...keys: StateKey[]): Promise<void>
  /** Adds a member to the index, kept at least `ttl`; a member written again lives the longer of the two times. */
  indexAdd(index: StateKey, member: string, ttl: number): Promise<void>
  /** The members whose time is not over, in no order. */
  indexList(index: StateKey): Promise<string[]>
  indexRemove(index: StateKey, ...members: string[]): Promise<void>
  /** Throws `UnavailableError` unless the store answers. */
  ping(): Promise<void>
  close(): Promise<void>
}
