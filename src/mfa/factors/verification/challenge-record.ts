import { randomToken } from '../../../kernel/secrets.ts'
import type { Attempt } from '../verifier.ts'

/**
 * A challenge as it is kept, and what it was made for: it can be answered in that browser and under those epochs only
 * (EM-5, FB-9).
 */
export interface KeptChallenge {
  /** Names this one challenge among those of its interaction. */
  id: string
  /** `making`: a process is at work on it; `spent`: used, or dead after too many wrong answers. */
  state: 'making' | 'open' | 'spent'
  challenge?: unknown
  browser: string
  passwordEpoch: number
  factorEpoch: number
  /** Milliseconds since the epoch. */
  madeAt: number
  expiresAt: number
  /** How many were made on the user's wish before this one. */
  renewals: number
}

/** The record that reserves the place of a challenge while it is made. */
export function reservationOf(attempt: Attempt, time: { now: number; ttl: number }, renewals: number): KeptChallenge {
  const { account } = attempt.context
  return {
    id: randomToken(16),
    state: 'making',
    browser: attempt.browser,
    passwordEpoch: account.passwordEpoch,
    factorEpoch: account.factorEpoch,
    madeAt: time.now,
    expiresAt: time.now + time.ttl,
    renewals,
  }
}

/** The account belongs to the name: one interaction may see two people try, and neither finds the other's challenge. */
export function challengeIdOf(attempt: Attempt): string {
  return JSON.stringify([attempt.interaction, attempt.ceremony, attempt.type, attempt.context.account.id])
}

/** Whether it was made for this browser, and neither password nor factors of the account have changed since. */
export function belongsTo({ browser, context: { account } }: Attempt, record: KeptChallenge): boolean {
  return (
    record.browser === browser &&
    record.passwordEpoch === account.passwordEpoch &&
    record.factorEpoch === account.factorEpoch
  )
}

/** Whether it may be answered in this attempt now. */
export function isOpen(record: KeptChallenge, attempt: Attempt, now: number): boolean {
  return record.state === 'open' && belongsTo(attempt, record) && now < record.expiresAt
}
