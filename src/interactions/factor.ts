import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import { type Clock, DAY } from '../kernel/clock.ts'
import type { Authenticator, RefusalReason } from '../mfa/factors/authenticator.ts'
import type { Registry } from '../mfa/factors/registry.ts'
import type { Attempt, Begun, Proof, Verifier } from '../mfa/factors/verifier.ts'
import type { Step } from '../mfa/policy/steps.ts'
import type { RememberedDevices } from '../mfa/session/remembered-device.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'
import { problemOf } from '../web/refusal.ts'
import type { PageModel } from '../web/responder.ts'
import type { AccountCookies } from './remembered-browsers.ts'
import type { SignIn } from './sign-in.ts'

/** A step in which a code is typed. */
export type FactorStep = Extract<Step, { kind: 'verify' | 'bind' }>

export interface FactorDependencies {
  verifier: Verifier
  authenticators: Registry
  devices: Pick<RememberedDevices, 'remember'>
  cookies: AccountCookies
  clock: Clock
}

type FactorAnswer =
  /**
   * `proof`: undefined for a code that only lets its owner bind another authenticator. `changed`: of account or
   * bindings.
   */
  { ok: true; proof: Proof | undefined; changed: boolean } | { ok: false; error: PageError; reason: RefusalReason }

/** The pages on which codes are typed, to bind an authenticator or to verify with one, whatever its kind. */
export interface Factors {
  /** The page. Makes and sends a code where the step has none yet. */
  page(ctx: Context, signIn: SignIn, step: FactorStep): Promise<PageModel>
  /** The page again, with what was wrong. */
  pageWith(ctx: Context, signIn: SignIn, problem: { step: FactorStep; error: PageError }): Promise<PageModel>
  /** Makes and sends the step's code where it has none yet. Answers what kept it from that; undefined: nothing. */
  begin(ctx: Context, signIn: SignIn, step: FactorStep): Promise<PageError | undefined>
  /** Makes a new code in place of the old one. Answers what kept it from that; undefined: nothing. */
  renew(ctx: Context, signIn: SignIn, step: FactorStep): Promise<PageError | undefined>
  /** Judges the code. */
  answer(ctx: Context, signIn: SignIn, given: { step: FactorStep; form: Form }): Promise<FactorAnswer>
  /**
   * Remembers this browser, unless the proof was a fallback such as a recovery code (TD-8). `account`: as it is after
   * the proof, because a binding that was made by it has raised the factor epoch.
   */
  remember(
    ctx: Context,
    signIn: SignIn,
    proved: { account: Account; proof: Proof; rememberDays: number },
  ): Promise<void>
  /** What the page with the choice of authenticators shows. */
  choice(signIn: SignIn, types: readonly string[]): { type: string; detail?: string }[]
}

export function createFactors(dependencies: FactorDependencies): Factors {
  const { verifier, authenticators, devices, cookies, clock } = dependencies

  /**
   * The step's challenge. Whoever took too long is told so; where nothing is sent, they go on with a new one at once
   * (J3).
   */
  async function shown(ctx: Context, signIn: SignIn, step: FactorStep): Promise<Shown> {
    const attempt = attemptOf(ctx, signIn, { step, now: clock.now() })
    const begun = await verifier.begin(attempt)
    if (begun.ok) return { begun }
    const sent = authenticators.get(step.type)?.resend !== undefined
    if (begun.reason !== 'expired' || sent) return { error: problemOf(begun) }
    const renewed = await verifier.renew(attempt)
    const over = problemOf(renewed.ok ? begun : renewed)
    return { ...(renewed.ok && { begun: renewed }), error: over, over }
  }

  const modelOf = (signIn: SignIn, step: FactorStep, challenge: Pick<Shown, 'begun' | 'error'>): PageModel =>
    pageModel(signIn, step, { ...challenge, authenticator: authenticators.get(step.type), now: clock.now() })

  return {
    async page(ctx, signIn, step) {
      return modelOf(signIn, step, await shown(ctx, signIn, step))
    },
    async pageWith(ctx, signIn, { step, error }) {
      // After a mail that could not be sent, the page must not try to send another one by being shown.
      if (error.code === 'mail' || error.code === 'no-address') return modelOf(signIn, step, { error })
      const now = await shown(ctx, signIn, step)
      return modelOf(signIn, step, { begun: now.begun, error: now.over ?? error })
    },
    async begin(ctx, signIn, step) {
      return (await shown(ctx, signIn, step)).error
    },
    async renew(ctx, signIn, step) {
      const renewed = await verifier.renew(attemptOf(ctx, signIn, { step, now: clock.now() }))
      return renewed.ok ? undefined : problemOf(renewed)
    },
    async answer(ctx, signIn, { step, form }) {
      const label = form.get('label')
      const code = form.get('code') ?? ''
      const given = { code, ...(label !== undefined && { label }) }
      const verdict = await verifier.finish(attemptOf(ctx, signIn, { step, now: clock.now() }), given)
      if (verdict.ok) return verdict
      return { ok: false, error: problemOf(verdict), reason: verdict.reason }
    },
    async remember(ctx, { locale }, { account, proof, rememberDays }) {
      if (authenticators.get(proof.method)?.fallback !== undefined) return
      const request = { ip: ctx.ip, userAgent: ctx.get('user-agent'), locale }
      const proved = { account, method: proof.method, provenAt: proof.at, rememberDays, request }
      const value = await devices.remember(proved, cookies.device(ctx, account.id))
      cookies.keepDevice(ctx, account.id, { value, lifetime: rememberDays * DAY })
    },
    choice({ account }, types) {
      return types.map((type) => {
        const detail = account && authenticators.get(type)?.detail?.(account)
        return { type, ...(detail !== undefined && { detail }) }
      })
    },
  }
}

export function clientOf({ interaction: { client } }: SignIn): NonNullable<PageModel['client']> {
  const { name, uri, logo } = client
  return { name, ...(uri !== undefined && { uri }), ...(logo !== undefined && { logo }) }
}

/** A challenge, as the page shows it. */
interface Shown {
  begun?: Begun | undefined
  error?: PageError
  /** The challenge of the page before is over, which matters more than what was wrong with the answer to it. */
  over?: PageError
}

/** The type that can be bound once this step is proved. */
const before = (step: FactorStep): string | undefined => (step.kind === 'verify' ? step.before : undefined)

/** The page of a step, with its challenge if there is one, and with what was wrong. */
function pageModel(
  signIn: SignIn,
  step: FactorStep,
  given: Pick<Shown, 'begun' | 'error'> & { authenticator: Authenticator | undefined; now: number },
): PageModel {
  const { begun, error, authenticator, now } = given
  const fallback = authenticator?.fallback !== undefined
  return {
    name: `${step.kind}-${step.type}`,
    view: `${step.type}/${step.kind}`,
    ...(error !== undefined && { error }),
    ...(before(step) !== undefined && { notice: fallback ? 'confirm-by-code-first' : 'confirm-address-first' }),
    client: clientOf(signIn),
    data: {
      ...(begun?.show ?? unshown(authenticator, signIn)),
      remember: before(step) === undefined && !fallback ? (signIn.demanded?.rememberDays ?? 0) : 0,
      choose: step.types.length > 1,
      label: step.kind === 'bind',
      sent: begun !== undefined,
      resendIn: resendIn(begun, authenticator, now),
      expiresIn: begun === undefined ? 0 : Math.max(0, begun.expiresAt - now),
    },
  }
}

function attemptOf(ctx: Context, signIn: SignIn, { step, now }: { step: FactorStep; now: number }): Attempt {
  const { interaction, browser, account, bindings, locale } = signIn
  if (account === undefined) throw new Error('a ceremony of nobody')
  const request = { ip: ctx.ip, userAgent: ctx.get('user-agent') }
  return {
    ceremony: step.kind,
    type: step.type,
    interaction: interaction.uid,
    browser: browser.id,
    client: interaction.client.id,
    context: { account, now, locale, request },
    bindings,
  }
}

/** Milliseconds until another code may be asked for; undefined: never. */
function resendIn(begun: Begun | undefined, authenticator: Authenticator | undefined, now: number): number | undefined {
  if (authenticator?.resend === undefined) return undefined
  if (begun === undefined) return 0
  return begun.resendAt === undefined ? undefined : Math.max(0, begun.resendAt - now)
}

/** What the page is given for a code that was not sent. */
function unshown(authenticator: Authenticator | undefined, { account }: SignIn): Record<string, unknown> {
  const address = account && authenticator?.detail?.(account)
  return address === undefined ? {} : { address }
}
