import type { Context } from 'koa'
import type { AccountStore } from '../../accounts/account-store.ts'
import { RequestError } from '../../kernel/errors.ts'
import type { Form } from '../../web/form.ts'
import type { Responder } from '../../web/responder.ts'
import type { FactorStep, Factors } from '../factor.ts'
import type { SignIn } from '../sign-in.ts'
import type { SignInFlow } from '../sign-in-flow.ts'
import type { SignIns } from '../sign-ins.ts'
import type { LateForms } from './late-forms.ts'
import { afterCode, progressOf } from './progress.ts'

export interface CodeFormDependencies {
  signIns: Pick<SignIns, 'proceed' | 'keep'>
  factors: Pick<Factors, 'answer' | 'renew' | 'remember'>
  flow: Pick<SignInFlow, 'moveOn'>
  late: Pick<LateForms, 'refuse'>
  accounts: Pick<AccountStore, 'find'>
  responder: Pick<Responder, 'redirect'>
}

/** The form on which a code is typed, to bind an authenticator or to prove one. */
export interface CodeForm {
  /** Judges the code; remembers the browser if that was ticked and nothing else is missing. */
  answer(ctx: Context, signIn: SignIn, given: { step: FactorStep; form: Form }): Promise<void>
  /** Sends another code. */
  resend(ctx: Context, signIn: SignIn, step: FactorStep): Promise<void>
}

export function createCodeForm(dependencies: CodeFormDependencies): CodeForm {
  const { signIns, factors, flow, late, accounts, responder } = dependencies
  return {
    async answer(ctx, signIn, { step, form }) {
      const { account, bindings, demanded } = signIn
      if (account === undefined || demanded === undefined) throw new RequestError('expired')
      const answer = await factors.answer(ctx, signIn, { step, form })
      if (!answer.ok) return late.refuse(ctx, signIn, answer.error)
      const { proof, changed } = answer
      const fresh = changed ? await accounts.find(account.id) : account
      if (fresh === undefined) throw new RequestError('expired')
      const progress = afterCode(progressOf(signIn), step, proof)
      const next = await signIns.proceed(signIn, progress, { account: fresh, ...(!changed && { bindings }) })
      const { rememberDays } = demanded
      if (proof !== undefined && next.step.kind === 'done' && rememberDays > 0 && form.get('remember') === 'on') {
        await factors.remember(ctx, signIn, { account: fresh, proof, rememberDays })
      }
      await flow.moveOn(ctx, next)
    },
    async resend(ctx, signIn, step) {
      const error = await factors.renew(ctx, signIn, step)
      if (error !== undefined) return late.refuse(ctx, signIn, error)
      const { pending } = signIn
      if (pending !== undefined) {
        await signIns.keep(await signIns.proceed(signIn, { ...pending.value, notice: 'code-sent' }))
      }
      responder.redirect(ctx, ctx.path)
    },
  }
}
