import type { Context } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import { type Clock, MINUTE } from '../kernel/clock.ts'
import type { Step } from '../mfa/policy/steps.ts'
import type { PageError } from '../views/pages.ts'
import type { PageModel, Responder } from '../web/responder.ts'
import { clientOf, type FactorStep, type Factors } from './factor.ts'
import type { SignIn } from './sign-in.ts'

export interface StepPageDependencies {
  factors: Factors
  responder: Responder
  accounts: Pick<AccountStore, 'find'>
  clock: Clock
}

export interface StepPageOptions {
  /** The address at which people ask for a new password, where there is one. */
  forgot: string | undefined
}

/** Shows the page of each step. */
export interface StepPages {
  /** The page of the step at which the sign-in stands. */
  show(ctx: Context, signIn: SignIn): Promise<void>
  /** The same page, with what was wrong. */
  again(ctx: Context, signIn: SignIn, error: PageError): Promise<void>
  /** The login page, with what was wrong. `username`: as it was typed. */
  login(ctx: Context, signIn: SignIn, problem: { error: PageError; username?: string }): void
  /** Any other page of the sign-in. */
  send(ctx: Context, signIn: SignIn, answer: PageModel): void
}

export function createStepPages(
  { forgot }: StepPageOptions,
  { factors, responder, accounts, clock }: StepPageDependencies,
): StepPages {
  function send(ctx: Context, signIn: SignIn, answer: PageModel): void {
    const { interaction, browser, locale } = signIn
    const { uid } = interaction
    const form = { action: `/interaction/${uid}`, csrf: browser.csrf(uid), step: answer.name }
    const notice = answer.notice ?? noticeFor(signIn, clock.now())
    responder.page(ctx, { client: clientOf(signIn), ...answer, ...(notice !== undefined && { notice }), form }, locale)
  }

  function plainPage(signIn: SignIn, step: Exclude<Step, FactorStep>): PageModel {
    if (step.kind === 'choose') {
      return { name: 'choose', view: 'pages/choose', data: { methods: factors.choice(signIn, step.types) } }
    }
    if (step.kind === 'bind-later') return { name: 'bind-later', view: 'pages/bind-later', data: { left: step.left } }
    if (step.kind === 'stuck') return { name: 'error', view: 'pages/error', error: { code: 'no-address' }, data: {} }
    return loginPage(signIn, { forgot })
  }

  async function switchPage({ interaction, account }: SignIn): Promise<PageModel> {
    const current = interaction.current && (await accounts.find(interaction.current.accountId))
    const data = { current: current?.username ?? '', next: account?.username ?? '' }
    return { name: 'switch-account', view: 'pages/switch-account', data }
  }

  return {
    send,
    async show(ctx, signIn) {
      const { step } = signIn
      if (switchesAccount(signIn)) return send(ctx, signIn, await switchPage(signIn))
      if (step.kind === 'verify' || step.kind === 'bind')
        return send(ctx, signIn, await factors.page(ctx, signIn, step))
      send(ctx, signIn, plainPage(signIn, step))
    },
    async again(ctx, signIn, error) {
      const { step } = signIn
      if (step.kind === 'verify' || step.kind === 'bind') {
        return send(ctx, signIn, await factors.pageWith(ctx, signIn, { step, error }))
      }
      send(ctx, signIn, { ...plainPage(signIn, step), error })
    },
    login(ctx, signIn, { error, username }) {
      send(ctx, signIn, { ...loginPage(signIn, { username, forgot }), error })
    },
  }
}

/** Whether this sign-in would end the session of somebody else in this browser, and nobody has agreed to that yet. */
export function switchesAccount({ interaction, account, pending }: SignIn): boolean {
  const { current } = interaction
  return current !== undefined && account !== undefined && current.accountId !== account.id && !pending?.value.switching
}

/**
 * Relying parties keep their own state at least as long; after that the page says that they may have stopped waiting
 * (J3).
 */
const RELYING_PARTY_STATE = 5 * MINUTE

/** What the page says above its form; undefined: nothing. */
function noticeFor(signIn: SignIn, now: number): string | undefined {
  const { interaction, pending } = signIn
  if (pending?.value.notice !== undefined) return pending.value.notice
  if (now - interaction.startedAt > RELYING_PARTY_STATE) return 'application-waiting'
  if (switchesAccount(signIn)) return undefined
  return interaction.session === undefined || interaction.prompt.name === 'consent' ? undefined : 'confirm-again'
}

function loginPage(
  { interaction, account }: SignIn,
  { username, forgot }: StepPageOptions & { username?: string | undefined },
): PageModel {
  const hint = interaction.params.login_hint
  const hinted = account?.username ?? (typeof hint === 'string' ? hint.slice(0, 254) : '')
  return { name: 'login', view: 'pages/login', data: { username: username ?? hinted, forgot } }
}
