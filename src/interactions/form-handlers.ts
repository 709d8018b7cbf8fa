import type { Context } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Clock } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import type { Proof } from '../mfa/factors/verifier.ts'
import { graceLeft } from '../mfa/policy/postponement.ts'
import type { PostponementStore } from '../mfa/policy/postponement-store.ts'
import type { PendingProof } from '../mfa/session/pending-proof.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'
import type { Responder } from '../web/responder.ts'
import type { ConcurrentForms } from './concurrent-forms.ts'
import type { FactorStep, Factors } from './factor.ts'
import type { Login } from './login.ts'
import type { SignIn } from './sign-in.ts'
import type { SignInFlow } from './sign-in-flow.ts'
import type { SignIns } from './sign-ins.ts'
import { type StepPages, switchesAccount } from './step-pages.ts'

export interface FormHandlerDependencies {
  signIns: SignIns
  login: Login
  factors: Factors
  pages: StepPages
  flow: SignInFlow
  concurrentForms: Pick<ConcurrentForms, 'waitForEarlier'>
  responder: Responder
  accounts: Pick<AccountStore, 'find'>
  postponements: Pick<PostponementStore, 'postpone'>
  clock: Clock
}

/** What the forms of a sign-in do. */
export interface FormHandlers {
  act(ctx: Context, signIn: SignIn, form: Form): Promise<void>
}

export function createFormHandlers(dependencies: FormHandlerDependencies): FormHandlers {
  const { signIns, login, factors, pages, flow, concurrentForms, responder, accounts, postponements, clock } =
    dependencies
  const { moveOn } = flow

  async function answerPassword(ctx: Context, signIn: SignIn, form: Form): Promise<void> {
    const answer = await login.answer(ctx, signIn, form)
    if (answer.ok) return void (await Promise.all([answer.settle(), moveOn(ctx, answer.signIn)]))
    if (await followed(ctx, signIn)) return
    pages.login(ctx, signIn, answer)
  }

  async function answerCode(
    ctx: Context,
    signIn: SignIn,
    { step, form }: { step: FactorStep; form: Form },
  ): Promise<void> {
    const { pending, account, bindings, demanded } = signIn
    if (account === undefined || demanded === undefined) throw new RequestError('expired')
    const answer = await factors.answer(ctx, signIn, { step, form })
    if (!answer.ok) return refused(ctx, signIn, answer.error)
    const fresh = answer.changed ? await accounts.find(account.id) : account
    if (fresh === undefined) throw new RequestError('expired')
    const { proof } = answer
    const value = after(step, proof, pending?.value ?? startedBySession(signIn))
    const next = await signIns.proceed(signIn, value, { account: fresh, ...(!answer.changed && { bindings }) })
    const { rememberDays } = demanded
    if (proof !== undefined && next.step.kind === 'done' && rememberDays > 0 && form.get('remember') === 'on') {
      await factors.remember(ctx, signIn, { account: fresh, proof, rememberDays })
    }
    await moveOn(ctx, next)
  }

  async function refused(ctx: Context, signIn: SignIn, error: PageError): Promise<void> {
    if (await followed(ctx, signIn)) return
    await pages.again(ctx, signIn, error)
  }

  /** Whether this form came too late, and was sent where another one has led meanwhile: its twin of a double click. */
  async function followed(ctx: Context, signIn: SignIn): Promise<boolean> {
    await concurrentForms.waitForEarlier(ctx)
    const location = await signIns.movedTo(ctx, signIn)
    if (location !== undefined) responder.redirect(ctx, location)
    return location !== undefined
  }

  async function pick(ctx: Context, signIn: SignIn, chosen: string | 'choice'): Promise<void> {
    const { chosen: _, choosing: __, notice: ___, ...value } = signIn.pending?.value ?? startedBySession(signIn)
    const wish = chosen === 'choice' ? ({ choosing: true } as const) : { chosen }
    await moveOn(ctx, await signIns.proceed(signIn, { ...value, ...wish }))
  }

  async function answerLater(ctx: Context, signIn: SignIn, form: Form): Promise<void> {
    const { account, demanded, interaction } = signIn
    const action = form.get('action')
    if (account === undefined || demanded === undefined || (action !== 'later' && action !== 'bind')) {
      return pages.again(ctx, signIn, { code: 'bad-request' })
    }
    const value = signIn.pending?.value ?? startedBySession(signIn)
    if (action === 'bind') return moveOn(ctx, await signIns.proceed(signIn, { ...value, binding: true }))
    // A double click postpones once.
    if (await followed(ctx, signIn)) return
    const { rule } = demanded
    const facts = { account: account.id, client: interaction.client.id, ip: ctx.ip, interaction: interaction.uid }
    const audit = { event: 'factor.postponed', outcome: 'ok', ...facts, details: { rule: rule ?? '' } } as const
    const now = clock.now()
    const counted = await postponements.postpone(account.id, rule, { now, audit })
    // Counted, then judged: pages that were opened before it cannot share one postponement.
    const before = { ...counted, count: counted.count - 1 }
    const over = graceLeft(demanded.grace, before, now) === undefined
    if (over) return moveOn(ctx, await signIns.proceed(signIn, { ...value, binding: true }))
    await moveOn(ctx, await signIns.proceed(signIn, { ...value, postponed: { rule, firstAt: counted.firstAt } }))
  }

  async function answerSwitch(ctx: Context, signIn: SignIn, form: Form): Promise<void> {
    const { pending } = signIn
    if (form.get('action') !== 'switch' || pending === undefined) return responder.redirect(ctx, ctx.path)
    await moveOn(ctx, await signIns.proceed(signIn, { ...pending.value, switching: true }))
  }

  async function choose(
    ctx: Context,
    signIn: SignIn,
    given: { types: string[]; method: string | undefined },
  ): Promise<void> {
    const { types, method } = given
    if (method === undefined || !types.includes(method)) return pages.again(ctx, signIn, { code: 'bad-request' })
    return pick(ctx, signIn, method)
  }

  async function resend(ctx: Context, signIn: SignIn, step: FactorStep): Promise<void> {
    const error = await factors.renew(ctx, signIn, step)
    if (error !== undefined) return refused(ctx, signIn, error)
    const { pending } = signIn
    if (pending !== undefined)
      await signIns.keep(await signIns.proceed(signIn, { ...pending.value, notice: 'code-sent' }))
    responder.redirect(ctx, ctx.path)
  }

  /** A form of the page that belongs to where the sign-in stands. */
  async function answerStep(ctx: Context, signIn: SignIn, form: Form): Promise<void> {
    const { step } = signIn
    if (step.kind === 'choose') return choose(ctx, signIn, { types: step.types, method: form.get('method') })
    if (step.kind === 'bind-later') return answerLater(ctx, signIn, form)
    if (step.kind !== 'verify' && step.kind !== 'bind') return moveOn(ctx, signIn)
    const page = form.get('step')
    // A form of another step shows where things stand.
    if (page !== undefined && page !== `${step.kind}-${step.type}`) return responder.redirect(ctx, ctx.path)
    if (form.get('action') === 'resend') return resend(ctx, signIn, step)
    return answerCode(ctx, signIn, { step, form })
  }

  /** What was proved is gone: it was too long ago, the account has changed, or a twin has come to the end with it. */
  async function unproved(ctx: Context, signIn: SignIn): Promise<void> {
    if (await followed(ctx, signIn)) return
    pages.login(ctx, signIn, { error: { code: 'expired' } })
  }

  return {
    async act(ctx, signIn, form) {
      const page = form.get('step')
      const asksPassword = signIn.step.kind === 'password'
      // By the back button the password may always be typed anew.
      if (page === 'login' || (page === undefined && asksPassword)) return answerPassword(ctx, signIn, form)
      if (asksPassword) return unproved(ctx, signIn)
      if (switchesAccount(signIn)) return answerSwitch(ctx, signIn, form)
      if (form.get('action') === 'choose') return pick(ctx, signIn, 'choice')
      return answerStep(ctx, signIn, form)
    },
  }
}

/** What is pending after a right code. */
function after(step: FactorStep, proof: Proof | undefined, before: PendingProof): PendingProof {
  const { notice: _, bypassed, ...value } = before
  if (proof === undefined) {
    const { chosen, choosing: __, ...rest } = value
    // Whoever picked an authenticator to bind goes on to it.
    return { ...rest, ...(chosen !== undefined && chosen !== step.type && { chosen }), bypassed: true }
  }
  const proofs = [...value.proofs.filter(({ method }) => method !== proof.method), proof]
  // It opens one binding.
  return { ...value, proofs, ...(bypassed && step.kind !== 'bind' && { bypassed }) }
}

/** The first thing proved in a step-up: the account is the session's. */
function startedBySession({ account, browser }: SignIn): PendingProof {
  if (account === undefined) throw new RequestError('expired')
  const { id: accountId, passwordEpoch, sessionEpoch } = account
  return { accountId, browser: browser.id, proofs: [], passwordEpoch, sessionEpoch }
}
