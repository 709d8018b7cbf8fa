import type { AccountAdmin } from '../accounts/account-store.ts'
import type { PasswordChecker } from '../accounts/password-checker.ts'
import { passwordProblem, personalWords, samePassword } from '../accounts/password-rules.ts'
import type { PasswordThrottle } from '../accounts/password-throttle.ts'
import type { Hasher } from '../accounts/passwords.ts'
import type { AuditTrail } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { networkOf } from '../kernel/network.ts'
import type { Notices } from '../mail/notices.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'
import { endOtherSessions } from './kept-session.ts'
import type { ActionOutcome, Section, Visitor } from './section.ts'

export interface PasswordDependencies {
  accounts: Pick<AccountAdmin, 'replacePassword'>
  passwords: PasswordChecker
  hasher: Pick<Hasher, 'hash'>
  throttle: PasswordThrottle
  sessions: Pick<Sessions, 'endAll'>
  sessionProofs: SessionProofRecords
  notices: Notices
  trail: AuditTrail
  clock: Clock
}

export interface PasswordOptions {
  /** Characters that a new password needs at least, see `shortestPassword`. */
  minLength: number
  serviceName: string
}

/**
 * A new password, for whoever knows the old one (PW-12). This session goes on; every other one ends, and so do
 * refresh tokens and remembered devices.
 */
export function createPasswordSection(options: PasswordOptions, dependencies: PasswordDependencies): Section {
  const { minLength, serviceName } = options
  const { accounts, passwords, hasher, throttle, notices, trail, clock } = dependencies

  /**
   * What is wrong with the old password; undefined: nothing. Tries are counted as at sign-in, but in a count of this
   * session alone, so that strangers who guess elsewhere do not lock the owner out of this form (RL-4, RL-8).
   */
  async function judge(visitor: Visitor, password: string): Promise<PageError | undefined> {
    const { account, session, ip } = visitor
    const attempt = { account: account.id, network: networkOf(ip), known: session.uid }
    const admission = await throttle.begin(attempt)
    if (!admission.ok) return { code: 'throttled', retryAfter: admission.retryAfter }
    const claim = await passwords.claim(account.username)
    const verdict = await claim.check(password).catch(async (error: unknown) => {
      await admission.unjudged()
      throw error
    })
    const right = verdict.ok && verdict.account.id === account.id
    await (right ? admission.succeeded() : admission.failed())
    return right ? undefined : { code: 'credentials' }
  }

  async function change(visitor: Visitor, form: Form): Promise<ActionOutcome> {
    const { account, ip, userAgent } = visitor
    const facts = { event: 'password.changed', account: account.id, ip } as const
    const next = form.get('newPassword') ?? ''
    const same = samePassword(next, form.get('newPasswordAgain') ?? '')
    const personal = personalWords({ ...account, serviceName })
    const reason = same ? passwordProblem(next, { minLength, personal }) : 'different'
    if (reason !== undefined) return { error: { code: 'password', reason, least: minLength }, field: 'newPassword' }
    const refused = await judge(visitor, form.get('password') ?? '')
    if (refused !== undefined) {
      trail.record({ ...facts, outcome: 'fail', details: { reason: refused.code } })
      return { error: refused, field: 'password' }
    }
    const passwordHash = await hasher.hash(next)
    const mails = notices.of('password-changed', account, { time: clock.now(), ip, browser: userAgent })
    const given = { passwordHash, epoch: account.passwordEpoch }
    const replaced = await accounts.replacePassword(account.id, given, { ...facts, outcome: 'ok', mails })
    // Somebody has set another password meanwhile, which has ended this session.
    if (!replaced) return { to: '/account' }
    await endOtherSessions(visitor, 'password', dependencies)
    return { to: '/account#password', notice: 'password-changed' }
  }

  return {
    name: 'password',
    async show({ account }) {
      return { minLength, username: account.username }
    },
    actions: { password: { act: change } },
  }
}
