import type { Mail } from '../kernel/mail.ts'

/** The mail server is down or refused; nobody gets in because of it (EM-11). */
export class MailError extends Error {
  override name = 'MailError'
}

/** The mail server answers, and does not take this letter. */
export class MailRefusedError extends MailError {
  override name = 'MailRefusedError'
}

export interface Mailer {
  /**
   * Resolves when the server has taken the mail; throws `MailError`, and `MailRefusedError` where others would be
   * taken.
   */
  send(mail: Mail): Promise<void>
  /** Connect, EHLO, TLS and AUTH where configured; throws `MailError` with the cause. */
  check(): Promise<void>
  /**
   * Ends its connections, once the mails that are on their way have come to their end; nothing is sent any more. Twice
   * is as good as once.
   */
  close(): void
}
