import type { Context } from 'koa'
import type { Clock } from '../../kernel/clock.ts'
import { graceLeft } from '../../mfa/policy/postponement.ts'
import type { PostponementStore } from '../../mfa/policy/postponement-store.ts'
import type { Form } from '../../web/form.ts'
import type { SignIn } from '../sign-in.ts'
import type { SignInFlow } from '../sign-in-flow.ts'
import type { SignIns } from '../sign-ins.ts'
import type { StepPages } from '../step-pages.ts'
import type { LateForms } from './late-forms.ts'
import { progressOf } from './progress.ts'

export interface PostponementFormDependencies {
  signIns: Pick<SignIns, 'proceed'>
  flow: Pick<SignInFlow, 'moveOn'>
  pages: Pick<StepPages, 'again'>
  late: Pick<LateForms, 'followed'>
  postponements: Pick<PostponementStore, 'postpone'>
  clock: Clock
}

/**
 * The form that asks whether to bind a factor now or later. A postponement is counted; when none is left, binding is
 * next.
 */
export function createPostponementForm(
  dependencies: PostponementFormDependencies,
): (ctx: Context, signIn: SignIn, form: Form) => Promise<void> {
  const { signIns, flow, pages, late, postponements, clock } = dependencies
  return async (ctx, signIn, form) => {
    const { account, demanded, interaction } = signIn
    const action = form.get('action')
    if (account === undefined || demanded === undefined || (action !== 'later' && action !== 'bind')) {
      return pages.again(ctx, signIn, { code: 'bad-request' })
    }
    const progress = progressOf(signIn)
    const bind = async () => flow.moveOn(ctx, await signIns.proceed(signIn, { ...progress, binding: true }))
    if (action === 'bind') return bind()
    // A double click postpones once.
    if (await late.followed(ctx, signIn)) return
    const { rule, grace } = demanded
    const facts = { account: account.id, client: interaction.client.id, ip: ctx.ip, interaction: interaction.uid }
    const audit = { event: 'factor.postponed', outcome: 'ok', ...facts, details: { rule: rule ?? '' } } as const
    const now = clock.now()
    const counted = await postponements.postpone(account.id, rule, { now, audit })
    // Counted first and judged then, so that two pages opened before cannot share one postponement.
    const before = { ...counted, count: counted.count - 1 }
    if (graceLeft(grace, before, now) === undefined) return bind()
    const postponed = { rule, firstAt: counted.firstAt }
    await flow.moveOn(ctx, await signIns.proceed(signIn, { ...progress, postponed }))
  }
}
