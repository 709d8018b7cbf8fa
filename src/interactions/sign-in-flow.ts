import type { Context } from 'koa'
import type { AuditTrail } from '../audit/audit.ts'
import { RequestError } from '../kernel/errors.ts'
import type { Responder } from '../web/responder.ts'
import type { Factors } from './factor.ts'
import type { AccountCookies } from './remembered-browsers.ts'
import type { SignIn } from './sign-in.ts'
import type { SignIns } from './sign-ins.ts'
import { type StepPages, switchesAccount } from './step-pages.ts'

export interface SignInFlowDependencies {
  signIns: SignIns
  factors: Factors
  cookies: AccountCookies
  pages: StepPages
  responder: Responder
  trail: AuditTrail
}

/** What follows when a step has succeeded, or the sign-in is given up. */
export interface SignInFlow {
  /** The relying party gets its answer, or the next page is shown. */
  moveOn(ctx: Context, signIn: SignIn): Promise<void>
  /** The relying party hears that the person has cancelled. */
  cancel(ctx: Context, signIn: SignIn): Promise<void>
}

export function createSignInFlow({
  signIns,
  factors,
  cookies,
  pages,
  responder,
  trail,
}: SignInFlowDependencies): SignInFlow {
  async function moveOn(ctx: Context, signIn: SignIn): Promise<void> {
    const { step, interaction } = signIn
    if (switchesAccount(signIn)) return askFirst(ctx, signIn)
    if (step.kind === 'unmet') return endWith(ctx, signIn, UNMET)
    if (step.kind === 'denied') return deny(ctx, signIn)
    if (step.kind === 'done') return finish(ctx, signIn)
    if (!(await signIns.keep(signIn))) return responder.redirect(ctx, `/interaction/${interaction.uid}`)
    if (step.kind === 'stuck') return pages.show(ctx, signIn)
    const error = step.kind === 'verify' || step.kind === 'bind' ? await factors.begin(ctx, signIn, step) : undefined
    if (error !== undefined) return pages.again(ctx, signIn, error)
    responder.redirect(ctx, `/interaction/${interaction.uid}`)
  }

  /** Somebody else is signed in in this browser; their session ends only after a page that asks. */
  async function askFirst(ctx: Context, signIn: SignIn): Promise<void> {
    await signIns.keep(signIn)
    responder.redirect(ctx, `/interaction/${signIn.interaction.uid}`)
  }

  /** The sign-in ends with an error, which tells the relying party why. */
  async function endWith(
    ctx: Context,
    signIn: SignIn,
    error: { error: string; error_description: string },
  ): Promise<void> {
    const [location] = await Promise.all([signIn.interaction.finish(error), signIns.drop(signIn)])
    responder.redirect(ctx, location)
  }

  async function deny(ctx: Context, signIn: SignIn): Promise<void> {
    const { interaction, account, demanded } = signIn
    const facts = { account: account?.id, client: interaction.client.id, ip: ctx.ip, interaction: interaction.uid }
    trail.record({
      event: 'login.fail',
      outcome: 'fail',
      ...facts,
      details: { reason: 'denied', rule: demanded?.rule ?? '' },
    })
    return endWith(ctx, signIn, DENIED)
  }

  async function finish(ctx: Context, signIn: SignIn): Promise<void> {
    const { interaction, account, pending } = signIn
    if (account === undefined) throw new RequestError('expired')
    const { current } = interaction
    if (current !== undefined && current.accountId !== account.id) await interaction.endSession()
    const [location] = await Promise.all([interaction.finish(signIns.result(signIn)), pending && signIns.drop(signIn)])
    cookies.keepKnown(ctx, account.id)
    const methods = pending?.value.proofs.map((proof) => proof.method) ?? []
    const facts = { account: account.id, client: interaction.client.id, ip: ctx.ip, interaction: interaction.uid }
    trail.record({ event: 'login.ok', outcome: 'ok', ...facts, details: { methods } })
    responder.redirect(ctx, location)
  }

  return { moveOn, cancel: (ctx, signIn) => endWith(ctx, signIn, CANCELLED) }
}

const CANCELLED = { error: 'access_denied', error_description: 'the sign-in was cancelled' }
const DENIED = { error: 'access_denied', error_description: 'access to this application is not allowed' }
/** RFC 9470, section 5: an error, in place of a token that says less than was asked for. */
const UNMET = {
  error: 'unmet_authentication_requirements',
  error_description: 'the requested authentication cannot be reached',
}
