import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { PasswordChecker, PasswordClaim, PasswordVerdict } from '../accounts/password-checker.ts'
import type { PasswordThrottle } from '../accounts/password-throttle.ts'
import type { AuditTrail } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { networkOf } from '../kernel/network.ts'
import { PASSWORD } from '../mfa/assurance/levels.ts'
import type { PendingProof } from '../mfa/session/pending-proof.ts'
import type { RememberedDevices } from '../mfa/session/remembered-device.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'
import { createDeviceAdmission } from './device-admission.ts'
import type { AccountCookies } from './remembered-browsers.ts'
import type { SignIn } from './sign-in.ts'
import type { SignIns } from './sign-ins.ts'

/** Longer names belong to nobody. */
const NAME_LENGTH = 254

export interface LoginDependencies {
  passwords: PasswordChecker
  throttle: PasswordThrottle
  devices: Pick<RememberedDevices, 'present'>
  cookies: AccountCookies
  signIns: SignIns
  trail: AuditTrail
  clock: Clock
}

/**
 * What became of name and password. `settle` takes the try off the count again; the caller runs it together with
 * keeping the sign-in, which makes one trip to the store of two.
 */
type PasswordAnswer =
  | { ok: true; signIn: SignIn; settle(): Promise<void> }
  | { ok: false; error: PageError; username: string }

/** Name and password were right. */
interface Right {
  account: Account
  settle(): Promise<void>
}

/** Judges name and password, and starts the sign-in of whoever they belong to. */
export interface Login {
  answer(ctx: Context, signIn: SignIn, form: Form): Promise<PasswordAnswer>
}

export function createLogin(dependencies: LoginDependencies): Login {
  const { passwords, throttle, cookies, signIns, trail, clock } = dependencies
  const admitDevice = createDeviceAdmission(dependencies)

  /** An unknown name, a wrong password and a disabled account look alike from outside (EN-1). */
  async function judge(
    ctx: Context,
    signIn: SignIn,
    given: { claim: PasswordClaim; password: string },
  ): Promise<Right | PageError> {
    const { claim, password } = given
    const known = cookies.known(ctx, claim.key)
    const admission = await throttle.begin({ account: claim.key, network: networkOf(ctx.ip), known })
    const facts = {
      account: claim.accountId,
      client: signIn.interaction.client.id,
      ip: ctx.ip,
      interaction: signIn.interaction.uid,
    }
    if (!admission.ok) {
      trail.record({ event: 'login.throttled', outcome: 'fail', ...facts })
      return { code: 'throttled', retryAfter: admission.retryAfter }
    }
    const verdict = await claim.check(password).catch(async (error: unknown) => {
      await admission.unjudged()
      throw error
    })
    const reason = refusalOf(signIn, verdict)
    if (!verdict.ok || reason !== undefined) {
      await admission.failed()
      trail.record({ event: 'login.fail', outcome: 'fail', ...facts, details: { reason } })
      return { code: 'credentials' }
    }
    return { account: verdict.account, settle: () => admission.succeeded() }
  }

  return {
    async answer(ctx, signIn, form) {
      const username = form.get('username') ?? ''
      const password = form.get('password') ?? ''
      if (username.trim() === '' || username.length > NAME_LENGTH || password === '') {
        return { ok: false, error: { code: 'credentials' }, username: username.slice(0, NAME_LENGTH) }
      }
      const answered = await judge(ctx, signIn, { claim: await passwords.claim(username), password })
      if ('code' in answered) return { ok: false, error: answered, username }
      const { account: judged, settle } = answered
      const pending: PendingProof = {
        accountId: judged.id,
        browser: signIn.browser.id,
        proofs: [{ method: PASSWORD, at: clock.now() }],
        passwordEpoch: judged.passwordEpoch,
        sessionEpoch: judged.sessionEpoch,
        ...(signIn.pending?.value.accountId === judged.id && chosenOf(signIn.pending.value)),
      }
      // The sign-in starts anew: what was proved in this interaction under another name is gone (WE-3).
      const started = await signIns.proceed({ ...signIn, pending: undefined }, pending, { account: judged })
      return { ok: true, signIn: await admitDevice(ctx, started), settle }
    },
  }
}

/** Why a password lets nobody in, for the audit alone; undefined: it does. */
function refusalOf(signIn: SignIn, verdict: PasswordVerdict): string | undefined {
  if (!verdict.ok) return 'credentials'
  if (verdict.account.disabled) return 'disabled'
  return mayBe(signIn, verdict.account) ? undefined : 'other-account'
}

/** In a step-up only the session's own account may sign in; the engine would refuse anybody else. */
function mayBe({ session }: SignIn, account: Account): boolean {
  return session === undefined || session.accountId === account.id
}

/** The authenticator that the person had picked before they entered the password once more. */
function chosenOf({ chosen }: PendingProof): Partial<PendingProof> {
  return chosen === undefined ? {} : { chosen }
}
