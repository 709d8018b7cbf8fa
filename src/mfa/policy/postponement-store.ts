import type { AuditEvent } from '../../audit/audit.ts'

/** How often an account has put off binding under one rule, and since when. Milliseconds since the epoch. */
export interface Postponement {
  firstAt: number
  count: number
}

/**
 * Durable: neither a new browser nor a lost state store starts a grace period anew (B10). `rule`: null is the
 * default.
 */
export interface PostponementStore {
  list(accountId: string): Promise<(Postponement & { rule: string | null })[]>
  find(accountId: string, rule: string | null): Promise<Postponement | undefined>
  /** Counts one more, with `audit` in the same transaction; the first one sets the start. */
  postpone(accountId: string, rule: string | null, given: { now: number; audit: AuditEvent }): Promise<Postponement>
}
