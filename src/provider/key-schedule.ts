import { HOUR, MINUTE } from '../kernel/clock.ts'
import type { SigningKey } from './key-store.ts'

/** How long relying parties may keep the keys they have read: a documented limit. */
const CACHED = HOUR
/** Gateways look for new keys once a minute, and their clocks differ a little. */
const NOTICED = 5 * MINUTE
/** A key is published for so long before it signs (KM-2). */
export const LEAD = CACHED + NOTICED

/** A key with what its age makes of it. Times are milliseconds since the epoch. */
export interface ScheduledKey {
  key: SigningKey
  /** `next` is published and does not sign yet; `active` signs; `retired` only verifies; `over` is published no more. */
  status: 'next' | 'active' | 'retired' | 'over'
  signsFrom: number
  /** Undefined: until the next rotation. */
  signsUntil: number | undefined
  publishedUntil: number | undefined
}

/** Publish, wait, sign, keep until the last token has expired, remove: everything follows from when keys were made. `kept`: how long a token lives. */
export function schedule(keys: readonly SigningKey[], { now, kept }: { now: number; kept: number }): ScheduledKey[] {
  const ofAlg = new Map<string, SigningKey[]>()
  for (const key of keys.toSorted((left, right) => left.createdAt - right.createdAt)) {
    ofAlg.set(key.alg, [...(ofAlg.get(key.alg) ?? []), key])
  }
  return [...ofAlg.values()].flatMap((line) =>
    line.map((key, index) => {
      const successor = line[index + 1]
      // The oldest one has nobody to wait for.
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
