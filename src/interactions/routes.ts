import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import type { AuditTrail } from '../audit/audit.ts'
import { type Clock, MINUTE } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import type { PendingProof } from '../mfa/pending-proof.ts'
import type { Step } from '../mfa/steps.ts'
import type { PageError } from '../views/pages.ts'
import type { Browser, Browsers } from './browser.ts'
import type { Consent } from './consent.ts'
import { clientOf, type FactorStep, type Factors } from './factor.ts'
import { type Form, type FormLimits, readForm } from './form.ts'
import type { Login } from './login.ts'
import type { AccountCookies } from './remembered-browsers.ts'
import type { Answer, Responder } from './responder.ts'
import type { SignIn, SignIns } from './sign-in.ts'

export interface RouteDependencies {
  browsers: Browsers
  signIns: SignIns
  login: Login
  factors: Factors
  consent: Consent
  cookies: AccountCookies
  responder: Responder
  accounts: Pick<AccountStore, 'find'>
  trail: AuditTrail
  clock: Clock
  limits: FormLimits
}

/** The pages of a sign-in, all behind one address: GET shows where it stands, POST moves it on. */
export function interactionRoutes(dependencies: RouteDependencies): Middleware {
  const { browsers, signIns, login, factors, consent, cookies, responder, accounts, trail, clock, limits } =
    dependencies
  const router = new Router()

  async function loaded(ctx: Context, uid: string, browser: Browser): Promise<SignIn> {
    return signIns.load(ctx, { uid, browser, locale: (uiLocales) => responder.locale(ctx, uiLocales) })
  }

  function send(ctx: Context, signIn: SignIn, answer: Answer): void {
    const { interaction, browser, locale } = signIn
    const { uid } = interaction
    const form = { action: `/interaction/${uid}`, csrf: browser.csrf(uid), step: answer.name }
    const notice = answer.notice ?? noticeFor(signIn, clock.now())
    responder.page(ctx, { client: clientOf(signIn), ...answer, ...(notice !== undefined && { notice }), form }, locale)
  }

  async function show(ctx: Context, signIn: SignIn): Promise<void> {
    const { step } = signIn
    if (switches(signIn)) return send(ctx, signIn, await switchPage(signIn))
    if (step.kind === 'verify' || step.kind === 'bind') return send(ctx, signIn, await factors.page(ctx, signIn, step))
    send(ctx, signIn, plainPage(signIn, step))
  }

  function plainPage(signIn: SignIn, step: Exclude<Step, FactorStep>): Answer {
    if (step.kind === 'choose') {
      return { name: 'choose', view: 'pages/choose', data: { methods: factors.choice(signIn, step.types) } }
    }
    if (step.kind === 'stuck') return { name: 'error', view: 'pages/error', error: { code: 'no-address' }, data: {} }
    return loginPage(signIn)
  }

  async function switchPage({ interaction, account }: SignIn): Promise<Answer> {
    const current = interaction.session && (await accounts.find(interaction.session.accountId))
    const data = { current: current?.username ?? '', next: account?.username ?? '' }
    return { name: 'switch-account', view: 'pages/switch-account', data }
  }

  /** After a step that succeeded: the relying party gets its answer, or the next page is shown. */
  async function moveOn(ctx: Context, signIn: SignIn): Promise<void> {
    const { step, interaction } = signIn
    if (switches(signIn)) return askFirst(ctx, signIn)
    if (step.kind === 'unmet') return endWith(ctx, signIn, UNMET)
    if (step.kind === 'denied') return deny(ctx, signIn)
    if (step.kind === 'done') return finish(ctx, signIn)
    if (!(await signIns.keep(signIn))) return responder.redirect(ctx, `/interaction/${interaction.uid}`)
    if (step.kind === 'stuck') return show(ctx, signIn)
    const error = step.kind === 'verify' || step.kind === 'bind' ? await factors.begin(ctx, signIn, step) : undefined
    if (error !== undefined) return again(ctx, signIn, error)
    responder.redirect(ctx, `/interaction/${interaction.uid}`)
  }

  /** Somebody else is signed in in this browser: their session ends only when that is wanted. */
  async function askFirst(ctx: Context, signIn: SignIn): Promise<void> {
    await signIns.keep(signIn)
    responder.redirect(ctx, `/interaction/${signIn.interaction.uid}`)
  }

  /** The relying party hears why there is no sign-in. */
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
    if (interaction.session !== undefined && interaction.session.accountId !== account.id)
      await interaction.endSession()
    const [location] = await Promise.all([interaction.finish(signIns.result(signIn)), pending && signIns.drop(signIn)])
    cookies.keepKnown(ctx, account.id)
    const methods = pending?.value.proofs.map((proof) => proof.method) ?? []
    const facts = { account: account.id, client: interaction.client.id, ip: ctx.ip, interaction: interaction.uid }
    trail.record({ event: 'login.ok', outcome: 'ok', ...facts, details: { methods } })
    responder.redirect(ctx, location)
  }

  async function again(ctx: Context, signIn: SignIn, error: PageError): Promise<void> {
    const { step } = signIn
    if (step.kind === 'verify' || step.kind === 'bind') {
      return send(ctx, signIn, await factors.pageWith(ctx, signIn, { step, error }))
    }
    send(ctx, signIn, { ...plainPage(signIn, step), error })
  }

  async function answerPassword(ctx: Context, signIn: SignIn, form: Form): Promise<void> {
    const answer = await login.answer(ctx, signIn, form)
    if (answer.ok) return moveOn(ctx, answer.signIn)
    send(ctx, signIn, { ...loginPage(signIn, answer.username), error: answer.error })
  }

  async function answerCode(
    ctx: Context,
    signIn: SignIn,
    { step, form }: { step: FactorStep; form: Form },
  ): Promise<void> {
    const { pending, account, demanded } = signIn
    if (account === undefined || demanded === undefined) throw new RequestError('expired')
    const answer = await factors.answer(ctx, signIn, { step, form })
    if (!answer.ok) return refused(ctx, signIn, answer)
    const fresh = await accounts.find(account.id)
    if (fresh === undefined) throw new RequestError('expired')
    const { notice: _, ...value } = pending?.value ?? startedBySession(signIn)
    const proofs = [...value.proofs.filter(({ method }) => method !== answer.proof.method), answer.proof]
    const next = await signIns.proceed(signIn, { ...value, proofs }, fresh)
    const { rememberDays } = demanded
    if (next.step.kind === 'done' && rememberDays > 0 && form.get('remember') === 'on') {
      await factors.remember(ctx, { account: fresh, proof: answer.proof, rememberDays })
    }
    await moveOn(ctx, next)
  }

  async function refused(ctx: Context, signIn: SignIn, answer: { error: PageError; reason: string }): Promise<void> {
    if (answer.reason === 'replayed') {
      // The twin of this form, sent by a double click, may have finished the sign-in with this very code.
      const now = await loaded(ctx, signIn.interaction.uid, signIn.browser)
      if (now.interaction.finished !== undefined) return responder.redirect(ctx, now.interaction.finished)
    }
    await again(ctx, signIn, answer.error)
  }

  async function pick(ctx: Context, signIn: SignIn, chosen: string | 'choice'): Promise<void> {
    const { chosen: _, choosing: __, notice: ___, ...value } = signIn.pending?.value ?? startedBySession(signIn)
    const wish = chosen === 'choice' ? ({ choosing: true } as const) : { chosen }
    await moveOn(ctx, await signIns.proceed(signIn, { ...value, ...wish }))
  }

  async function act(ctx: Context, signIn: SignIn, form: Form): Promise<void> {
    const { step } = signIn
    const page = form.get('step')
    // By the back button the password may always be typed anew.
    if (page === 'login' || (page === undefined && step.kind === 'password')) return answerPassword(ctx, signIn, form)
    // What was proved is gone: it was too long ago, or the account has changed.
    if (step.kind === 'password') return send(ctx, signIn, { ...loginPage(signIn), error: { code: 'expired' } })
    if (switches(signIn)) return answerSwitch(ctx, signIn, form)
    if (form.get('action') === 'choose') return pick(ctx, signIn, 'choice')
    if (step.kind === 'choose') return choose(ctx, signIn, { types: step.types, method: form.get('method') })
    if (step.kind !== 'verify' && step.kind !== 'bind') return moveOn(ctx, signIn)
    // A form of another step shows where things stand.
    if (page !== undefined && page !== `${step.kind}-${step.type}`) return responder.redirect(ctx, ctx.path)
    if (form.get('action') === 'resend') return resend(ctx, signIn, step)
    return answerCode(ctx, signIn, { step, form })
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
    if (method === undefined || !types.includes(method)) return again(ctx, signIn, { code: 'bad-request' })
    return pick(ctx, signIn, method)
  }

  async function resend(ctx: Context, signIn: SignIn, step: FactorStep): Promise<void> {
    const error = await factors.renew(ctx, signIn, step)
    if (error !== undefined) return again(ctx, signIn, error)
    const { pending } = signIn
    if (pending !== undefined)
      await signIns.keep(await signIns.proceed(signIn, { ...pending.value, notice: 'code-sent' }))
    responder.redirect(ctx, ctx.path)
  }

  router.get('/interaction/:uid', async (ctx) => {
    const signIn = await loaded(ctx, String(ctx.params.uid), browsers.of(ctx))
    const { interaction } = signIn
    if (interaction.finished !== undefined) return responder.redirect(ctx, interaction.finished)
    if (interaction.prompt.name === 'consent') return send(ctx, signIn, consent.page(interaction))
    if (ENDINGS.has(signIn.step.kind)) return moveOn(ctx, signIn)
    await show(ctx, signIn)
  })

  router.post('/interaction/:uid', async (ctx) => {
    const uid = String(ctx.params.uid)
    const form = await readForm(ctx, limits)
    const signIn = await loaded(ctx, uid, checked(ctx, form, uid))
    const { interaction } = signIn
    if (interaction.finished !== undefined) return responder.redirect(ctx, interaction.finished)
    if (form.get('action') === 'cancel') return endWith(ctx, signIn, CANCELLED)
    if (interaction.prompt.name !== 'consent') return act(ctx, signIn, form)
    responder.redirect(ctx, await consent.answer(ctx, interaction, form))
  })

  function checked(ctx: Context, form: Form, uid: string): Browser {
    try {
      return browsers.check(ctx, form, uid)
    } catch (error) {
      trail.record({ event: 'csrf.rejected', outcome: 'fail', ip: ctx.ip, interaction: uid })
      throw error
    }
  }

  router.all('/interaction/:uid', () => {
    throw new RequestError('method-not-allowed')
  })
  return router.routes() as Middleware
}

/** Steps in which there is nothing to show. */
const ENDINGS: ReadonlySet<Step['kind']> = new Set(['done', 'unmet', 'denied'])

const CANCELLED = { error: 'access_denied', error_description: 'the sign-in was cancelled' }
const DENIED = { error: 'access_denied', error_description: 'access to this application is not allowed' }
/** RFC 9470, 5: an honest error in place of a weaker token. */
const UNMET = {
  error: 'unmet_authentication_requirements',
  error_description: 'the requested authentication cannot be reached',
}

/** Whether this sign-in would end the session of somebody else in this browser, and nobody has agreed to that yet. */
function switches({ interaction, account, pending }: SignIn): boolean {
  const { session } = interaction
  return session !== undefined && account !== undefined && session.accountId !== account.id && !pending?.value.switching
}

/** How long relying parties keep their own state at least (J3). */
const RELYING_PARTY_STATE = 5 * MINUTE

function noticeFor({ interaction, pending }: SignIn, now: number): string | undefined {
  if (pending?.value.notice !== undefined) return pending.value.notice
  if (now - interaction.startedAt > RELYING_PARTY_STATE) return 'application-waiting'
  return interaction.session === undefined || interaction.prompt.name === 'consent' ? undefined : 'confirm-again'
}

function loginPage({ interaction, account }: SignIn, typed?: string): Answer {
  const hint = interaction.params.login_hint
  const hinted = account?.username ?? (typeof hint === 'string' ? hint.slice(0, 254) : '')
  return { name: 'login', view: 'pages/login', data: { username: typed ?? hinted } }
}

/** The first thing proved in a step-up: the account is the session's. */
function startedBySession({ account, browser }: SignIn): PendingProof {
  if (account === undefined) throw new RequestError('expired')
  const { id: accountId, passwordEpoch, sessionEpoch } = account
  return { accountId, browser: browser.id, proofs: [], passwordEpoch, sessionEpoch }
}
