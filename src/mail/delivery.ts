import type { AuditEvent, AuditTrail } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { MailError, type Mailer, MailRefusedError } from './mailer.ts'
import type { Outbox, WaitingMail } from './outbox.ts'

/** How a delivery went. `refused`: this mail is at fault; `down`: the mail server does not serve, for any mail. */
type Delivery = 'sent' | 'refused' | 'down'

/** Durations in milliseconds. */
export interface DeliveryOptions {
  /** The first wait after a failure; it doubles up to `retryMax`. */
  retry: number
  retryMax: number
  /** The age at which a mail that fails once more is given up. */
  patience: number
}

export interface DeliveryDependencies {
  outbox: Outbox
  clock: Clock
  log: Log
  trail: AuditTrail
}

/** Sends one mail by this mailer. */
export type Deliver = (waiting: WaitingMail, by: Mailer) => Promise<Delivery>

/**
 * Delivers what the caller has claimed. A mail leaves the outbox when it is out or given up, which the audit hears of,
 * and is postponed otherwise.
 */
export function createDelivery(options: DeliveryOptions, dependencies: DeliveryDependencies): Deliver {
  const { outbox, clock, log, trail } = dependencies

  async function failed(waiting: WaitingMail, error: unknown): Promise<void> {
    const { id, mail, tries, createdAt } = waiting
    const { template } = mail
    // The mailer tells of its own failures.
    if (!(error instanceof MailError)) log.error('a letter could not be made', { template, error })
    const now = clock.now()
    if (now - createdAt < options.patience) {
      return outbox.postpone(id, now + Math.min(options.retry * 2 ** tries, options.retryMax))
    }
    await outbox.remove(id)
    log.error('a letter is given up', { template, kind: mail.data.kind, tries: tries + 1 })
    trail.record(auditEventOf('mail.given_up', waiting))
  }

  return async (waiting, by) => {
    try {
      await by.send(waiting.mail)
    } catch (error) {
      await failed(waiting, error)
      return error instanceof MailError && !(error instanceof MailRefusedError) ? 'down' : 'refused'
    }
    await outbox.remove(waiting.id)
    trail.record(auditEventOf('mail.sent', waiting))
    return 'sent'
  }
}

/** Says whose mail it was and of what kind; never where it went or what it says (LG-2). */
function auditEventOf(event: 'mail.sent' | 'mail.given_up', { mail, tries }: WaitingMail): AuditEvent {
  const { template, account, data } = mail
  const details = { template, kind: data.kind, tries: tries + 1 }
  return { event, outcome: event === 'mail.sent' ? 'ok' : 'fail', account, details }
}
