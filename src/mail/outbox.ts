import type { Mail } from '../kernel/mail.ts'

/** A letter that waits, as its sender claimed it. */
export interface WaitingMail {
  id: string
  mail: Mail
  /** How often it was tried before. */
  tries: number
  /** Milliseconds since the epoch. */
  createdAt: number
}

/**
 * Letters that may wait: a mail server that is down delays them and loses none (FA-11). One-time codes and links never
 * stand here.
 */
export interface Outbox {
  add(mails: readonly Mail[]): Promise<void>
  /**
   * Up to `limit` that are due, oldest first; nobody else gets them for `lease` milliseconds. Their mails have an id
   * that stays.
   */
  claim(limit: number, lease: number): Promise<WaitingMail[]>
  /** It is out. */
  remove(id: string): Promise<void>
  /** Another try, not before `at` (milliseconds since the epoch); the claim is over. */
  postpone(id: string, at: number): Promise<void>
  /** What was postponed is due now. Claims of others hold. */
  hasten(): Promise<void>
  /** `oldest`: when it was written; undefined where nothing waits. */
  waiting(): Promise<{ count: number; oldest: number | undefined }>
}
