import type { Grace } from '../../config/config.ts'
import type { Postponement } from './postponement-store.ts'

/** What is left of a grace period: until when, or how many more sign-ins. */
export interface GraceLeft {
  /** Milliseconds since the epoch. */
  until?: number
  signIns?: number
}

/** Undefined: binding cannot be put off, or no longer. */
export function graceLeft(grace: Grace, so: Postponement | undefined, now: number): GraceLeft | undefined {
  if (grace === 'none') return undefined
  if ('signIns' in grace) {
    const left = grace.signIns - (so?.count ?? 0)
    return left > 0 ? { signIns: left } : undefined
  }
  const until = 'until' in grace ? grace.until : (so?.firstAt ?? now) + grace.within
  return now < until ? { until } : undefined
}

/** A sign-in that went on without a factor, because its rule let it. */
export interface Postponed {
  rule: string | null
  firstAt: number
}

/** Whether it may still go on: never longer than the rule that gave it, whatever that rule says today. */
export function stillPostponed(
  postponed: Postponed | undefined,
  demanded: { rule: string | null; grace: Grace },
  now: number,
): boolean {
  if (postponed === undefined || postponed.rule !== demanded.rule) return false
  // Sign-ins were counted when they began: this one is one of them.
  return graceLeft(demanded.grace, { firstAt: postponed.firstAt, count: 0 }, now) !== undefined
}
