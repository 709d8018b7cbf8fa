import type { Account } from '../../accounts/account.ts'

/** A signed-in browser, as its owner and admins see it. Times are milliseconds since the epoch. */
export interface SessionView {
  /** The session's stable uid. */
  id: string
  startedAt: number
  lastUsedAt: number
  expiresAt: number
  /** Shown, never trusted. */
  userAgent: string
  /** The client address of the sign-in. */
  address: string
  /** Relying parties that were signed in to. */
  clients: string[]
  /** What was proved: `password` and types of authenticators. */
  methods: string[]
}

/**
 * The sessions of an account. Ending one ends its tokens, and its relying parties get their back-channel logout (LO-3,
 * LO-4, SE-9).
 */
export interface Sessions {
  /** Newest use first. */
  list(account: Account): Promise<SessionView[]>
  /** False when it is not one of this account's. */
  end(accountId: string, id: string): Promise<boolean>
  /** How many were ended. */
  endAll(accountId: string, options?: { except?: string }): Promise<number>
}
