import { HOUR, MINUTE } from '../kernel/clock.ts'
import type { SigningKey } from './key-store.ts'

/** How long relying parties may keep the keys that they have read; this limit is documented. */
const CACHED = HOUR
/**
 * How long it may take until all gateways know of a new key: they look once a minute, and their clocks differ a
 * little.
 */
const NOTICED = 5 * MINUTE
/** How long a key is published before it signs (KM-2). */
const LEAD = CACHED + NOTICED

/** A key with what its age makes of it. Times are milliseconds since the epoch. */
export interface ScheduledKey {
  key: SigningKey
  /**
   * `next` is published and does not sign yet; `active` signs; `retired` only verifies; `over` is published no more.
   */
  status: 'next' | 'active' | 'retired' | 'over'
  signsFrom: number
  /** Undefined: until the next rotation. */
  signsUntil: number | undefined
  publishedUntil: number | undefined
}

/**
 * What each key is used for now. A key is published, waits, signs, is kept until the last token has expired, and is
 * removed; all of this follows from when the keys were made. `kept`: milliseconds that a key stays published after
 * its last signature.
 */
export function schedule(keys: readonly SigningKey[], { now, kept }: { now: number; kept: number }): ScheduledKey[] {
  const ofAlg = new Map<string, SigningKey[]>()
  for (const key of keys.toSorted((left, right) => left.createdAt - right.createdAt)) {
    ofAlg.set(key.alg, [...(ofAlg.get(key.alg) ?? []), key])
  }
  return [...ofAlg.values()].flatMap((line) =>
    line.map((key, index) => {
      const successor = line[index + 1]
      // The oldest key signs at once: no other one signs while it waits.
      const signsFrom = index === 0 ? key.createdAt : key.createdAt + LEAD
      const signsUntil = successor && successor.createdAt + LEAD
      const publishedUntil = signsUntil && signsUntil + kept + NOTICED
      const waits = index > 0 && now < signsFrom
      return {
        key,
        status: waits ? 'next' : statusAt(now, signsUntil, publishedUntil),
        signsFrom,
        signsUntil,
        publishedUntil,
      }
    }),
  )
}

function statusAt(now: number, signsUntil: number | undefined, publishedUntil: number | undefined) {
  if (signsUntil === undefined || now < signsUntil) return 'active'
  return publishedUntil === undefined || now < publishedUntil ? 'retired' : 'over'
}
