import type { Context } from 'koa'
import type { Form } from '../../web/form.ts'
import type { Login } from '../login.ts'
import type { SignIn } from '../sign-in.ts'
import type { SignInFlow } from '../sign-in-flow.ts'
import type { StepPages } from '../step-pages.ts'
import type { LateForms } from './late-forms.ts'

export interface PasswordFormDependencies {
  login: Login
  flow: Pick<SignInFlow, 'moveOn'>
  pages: Pick<StepPages, 'login'>
  late: Pick<LateForms, 'followed'>
}

/** The form of the login page. */
export interface PasswordForm {
  /** Judges name and password. */
  answer(ctx: Context, signIn: SignIn, form: Form): Promise<void>
  /**
   * The login page, for the form of a later page whose proof no longer counts: it is too old, or the account has
   * changed.
   */
  askAgain(ctx: Context, signIn: SignIn): Promise<void>
}

export function createPasswordForm({ login, flow, pages, late }: PasswordFormDependencies): PasswordForm {
  return {
    async answer(ctx, signIn, form) {
      const answer = await login.answer(ctx, signIn, form)
      if (answer.ok) {
        await Promise.all([answer.settle(), flow.moveOn(ctx, answer.signIn)])
        return
      }
      if (await late.followed(ctx, signIn)) return
      pages.login(ctx, signIn, answer)
    },
    async askAgain(ctx, signIn) {
      // It may also be that the other form of a double click has come to the end with this proof.
      if (await late.followed(ctx, signIn)) return
      pages.login(ctx, signIn, { error: { code: 'expired' } })
    },
  }
}
