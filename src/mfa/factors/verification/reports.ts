import type { AuditEventName, AuditTrail } from '../../../audit/audit.ts'
import { HOUR } from '../../../kernel/clock.ts'
import type { Mail } from '../../../kernel/mail.ts'
import type { NoticeKind, Notices } from '../../../mail/notices.ts'
import type { Outbox } from '../../../mail/outbox.ts'
import { keyOf, type StateStore } from '../../../state/store.ts'
import type { Refusal } from '../authenticator.ts'
import type { Attempt } from '../verifier.ts'
import { partiesOf, refuse } from './attempts.ts'

/** Tells of attempts: the audit hears of each, the account's owner by mail of what they should know. */
export interface AttemptReports {
  succeeded(attempt: Attempt): void
  /** Writes the refusal to the audit and answers it. */
  refused(attempt: Attempt, refusal: Refusal): Refusal
  /** The type was locked before this attempt. */
  locked(attempt: Attempt): Refusal
  /** This failure locks the type: its owner gets a mail. */
  lockedNow(attempt: Attempt): Promise<Refusal>
  /**
   * Counts a wrong code; a right password with several of them behind it is told to its owner, at most once an hour
   * (RL-10).
   */
  wrongCode(attempt: Attempt): Promise<void>
  /** The mails that tell the owner of a change, to be written in its transaction. */
  mailsOf(kind: NoticeKind, attempt: Attempt, subject?: string): Mail[]
}

/**
 * Wrong codes within an hour from which the owner is told: somebody else knows the password, or the owner cannot type.
 */
const TOLD_FROM = 3

export function createAttemptReports(dependencies: {
  state: StateStore
  trail: AuditTrail
  notices: Notices
  outbox: Pick<Outbox, 'add'>
}): AttemptReports {
  const { state, trail, notices, outbox } = dependencies

  function record(attempt: Attempt, event: AuditEventName, refusal?: Refusal): void {
    const details = { factor: attempt.type, ceremony: attempt.ceremony, reason: refusal?.reason }
    trail.record({ event, outcome: refusal === undefined ? 'ok' : 'fail', ...partiesOf(attempt), details })
  }

  function mailsOf(kind: NoticeKind, attempt: Attempt, subject?: string): Mail[] {
    const { account, now, request, locale } = attempt.context
    const facts = { time: now, ip: request.ip, browser: request.userAgent, factor: attempt.type, subject }
    return notices.of(kind, { ...account, locale: account.locale ?? locale }, facts)
  }

  function locked(attempt: Attempt): Refusal {
    const refusal = refuse('locked')
    record(attempt, 'otp.locked', refusal)
    return refusal
  }

  return {
    succeeded: (attempt) => record(attempt, 'otp.ok'),
    refused(attempt, refusal) {
      record(attempt, refusal.reason === 'replayed' ? 'otp.replay' : 'otp.fail', refusal)
      return refusal
    },
    locked,
    async lockedNow(attempt) {
      await outbox.add(mailsOf('factor-locked', attempt))
      return locked(attempt)
    },
    async wrongCode(attempt) {
      const { id } = attempt.context.account
      if ((await state.increment(keyOf('wrong-codes', id), HOUR)) < TOLD_FROM) return
      const told = keyOf('wrong-codes-told', id)
      if (!(await state.add(told, '1', HOUR))) return
      try {
        await outbox.add(mailsOf('sign-in-failed', attempt))
      } catch (error) {
        await state.delete(told)
        throw error
      }
    },
    mailsOf,
  }
}
