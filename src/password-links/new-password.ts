import type { Account } from '../accounts/account.ts'
import type { AccountAdmin } from '../accounts/account-store.ts'
import { passwordProblem, personalWords, samePassword } from '../accounts/password-rules.ts'
import type { AuditEventName } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import type { NoticeKind, Notices } from '../mail/notices.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'

export interface NewPasswordDependencies {
  accounts: Pick<AccountAdmin, 'setPassword'>
  sessions: Pick<Sessions, 'endAll'>
  notices: Notices
  log: Log
  clock: Clock
}

/** How a password that was set by a link is told of. */
export interface NewPasswordFacts {
  event: AuditEventName
  /** For the audit. */
  reason: string
  notice: NoticeKind
}

/** Sets the password of an account, tells its owner by mail, and ends all its sessions. */
export type NewPasswords = (
  account: Account,
  hash: string,
  told: NewPasswordFacts & { ip: string; userAgent: string },
) => Promise<void>

export function createNewPasswords(dependencies: NewPasswordDependencies): NewPasswords {
  const { accounts, sessions, notices, log, clock } = dependencies
  return async (account, hash, { event, reason, notice, ip, userAgent }) => {
    const mails = notices.of(notice, account, { time: clock.now(), ip, browser: userAgent })
    const audit = { event, outcome: 'ok', account: account.id, ip, details: { reason }, mails } as const
    await accounts.setPassword(account.id, hash, audit)
    try {
      await sessions.endAll(account.id)
    } catch (error) {
      // The change of the password has ended them already; only the relying parties are not told.
      if (!(error instanceof UnavailableError)) throw error
      log.warn('sessions could not be ended one by one', { error })
    }
  }
}

/** What is wrong with the password that a form gives; undefined: nothing. `minLength`: in characters. */
export function newPasswordProblem(
  form: Form,
  account: Account,
  { minLength, serviceName }: { minLength: number; serviceName: string },
): PageError | undefined {
  const password = form.get('password') ?? ''
  if (!samePassword(password, form.get('passwordAgain') ?? '')) return { code: 'password', reason: 'different' }
  const reason = passwordProblem(password, { minLength, personal: personalWords({ ...account, serviceName }) })
  return reason && { code: 'password', reason, least: minLength }
}
