import type { Context } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Clock } from '../kernel/clock.ts'
import type { PostponementStore } from '../mfa/policy/postponement-store.ts'
import type { PendingProof } from '../mfa/session/pending-proof.ts'
import type { Form } from '../web/form.ts'
import type { Responder } from '../web/responder.ts'
import type { ConcurrentForms } from './concurrent-forms.ts'
import type { FactorStep, Factors } from './factor.ts'
import { createCodeForm } from './forms/code-form.ts'
import { createLateForms } from './forms/late-forms.ts'
import { createPasswordForm } from './forms/password-form.ts'
import { createPostponementForm } from './forms/postponement-form.ts'
import { progressOf, withChoice } from './forms/progress.ts'
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

/** What a form asks for. */
type FormRequest =
  /** Name and password are judged. */
  | { kind: 'password' }
  /** The form is of a later page, and what was proved before it no longer counts. */
  | { kind: 'unproved' }
  /** Somebody else's session in this browser may end. */
  | { kind: 'switch-account' }
  /** The page with the choice of authenticators. */
  | { kind: 'see-choice' }
  /** This authenticator. */
  | { kind: 'choose'; method: string }
  /** To bind a factor now or later. */
  | { kind: 'postpone' }
  | { kind: 'resend'; step: FactorStep }
  | { kind: 'code'; step: FactorStep }
  /** The form says nothing that its page asks for. */
  | { kind: 'nonsense' }
  /** Where the sign-in stands there is nothing to answer: it goes on. */
  | { kind: 'go-on' }
  /** The form belongs to another page than the one where the sign-in stands. */
  | { kind: 'elsewhere' }

export function createFormHandlers(dependencies: FormHandlerDependencies): FormHandlers {
  const { signIns, pages, flow, responder } = dependencies
  const late = createLateForms(dependencies)
  const password = createPasswordForm({ ...dependencies, late })
  const code = createCodeForm({ ...dependencies, late })
  const postpone = createPostponementForm({ ...dependencies, late })

  const proceed = async (ctx: Context, signIn: SignIn, progress: PendingProof): Promise<void> =>
    flow.moveOn(ctx, await signIns.proceed(signIn, progress))

  return {
    async act(ctx, signIn, form) {
      const request = requestIn(form, signIn)
      switch (request.kind) {
        case 'password':
          return password.answer(ctx, signIn, form)
        case 'unproved':
          return password.askAgain(ctx, signIn)
        case 'switch-account':
          return proceed(ctx, signIn, { ...progressOf(signIn), switching: true })
        case 'see-choice':
          return proceed(ctx, signIn, withChoice(progressOf(signIn), { choosing: true }))
        case 'choose':
          return proceed(ctx, signIn, withChoice(progressOf(signIn), { chosen: request.method }))
        case 'postpone':
          return postpone(ctx, signIn, form)
        case 'resend':
          return code.resend(ctx, signIn, request.step)
        case 'code':
          return code.answer(ctx, signIn, { step: request.step, form })
        case 'nonsense':
          return pages.again(ctx, signIn, { code: 'bad-request' })
        case 'go-on':
          return flow.moveOn(ctx, signIn)
        case 'elsewhere':
          return responder.redirect(ctx, ctx.path)
      }
    },
  }
}

/** What a form asks for, by the page it says to be of and by where the sign-in stands. */
function requestIn(form: Form, signIn: SignIn): FormRequest {
  const page = form.get('step')
  const action = form.get('action')
  const asksPassword = signIn.step.kind === 'password'
  // After the back button the password may always be entered anew.
  if (page === 'login' || (page === undefined && asksPassword)) return { kind: 'password' }
  if (asksPassword) return { kind: 'unproved' }
  if (switchesAccount(signIn)) {
    return { kind: action === 'switch' && signIn.pending !== undefined ? 'switch-account' : 'elsewhere' }
  }
  if (action === 'choose') return { kind: 'see-choice' }
  return requestAtStep(form, signIn)
}

function requestAtStep(form: Form, { step }: SignIn): FormRequest {
  if (step.kind === 'choose') {
    const method = form.get('method')
    return method !== undefined && step.types.includes(method) ? { kind: 'choose', method } : { kind: 'nonsense' }
  }
  if (step.kind === 'bind-later') return { kind: 'postpone' }
  if (step.kind !== 'verify' && step.kind !== 'bind') return { kind: 'go-on' }
  const page = form.get('step')
  if (page !== undefined && page !== `${step.kind}-${step.type}`) return { kind: 'elsewhere' }
  return { kind: form.get('action') === 'resend' ? 'resend' : 'code', step }
}
