import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { LoginTakenError } from '../accounts/account-store.ts'
import type { Clock } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import type { Finished } from '../mfa/factors/authenticator.ts'
import { answeredEvent } from '../mfa/policy/setup-decision.ts'
import type { FirstAdministrator, SetupDecision, SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
import type { PageError } from '../views/pages.ts'
import type { Browser, Browsers } from '../web/browser.ts'
import { type Form, type FormLimits, readForm } from '../web/form.ts'
import { problemOf } from '../web/refusal.ts'
import type { Responder } from '../web/responder.ts'
import type { Administrators, Asking } from './administrator.ts'
import { decisionIn } from './decision.ts'
import { firstClient, OFFERED } from './first-client.ts'
import type { Draft, SetupState, SetupStates } from './setup-state.ts'
import type { SetupTokens } from './token.ts'

/** What set-up works with as long as it waits. */
export interface Waiting {
  tokens: SetupTokens
  /** One for each method in force, in the order offered; at least one. */
  factors: readonly [Administrators, ...Administrators[]]
  shortest(enabled: boolean): number
  /** There is an answer from now on: the gateway serves. Never rejects; whoever asks next has it looked again. */
  answered(): Promise<void>
}

export interface SetupDependencies {
  /** Undefined: set-up is over, and only its last page is left to the browser that did it. */
  waiting: Waiting | undefined
  states: SetupStates
  setupDecisions: Pick<SetupDecisionStore, 'finish'>
  browsers: Browsers
  responder: Responder
  clock: Clock
  limits: FormLimits
  issuer: string
}

/** Where the browser is in set-up: at the first form, which asks for the token too, until that was right. */
interface SetupRequest {
  ctx: Context
  browser: Browser
  at: SetupState | undefined
}

const PATH = '/setup'
const ACCOUNT = '/account'
const CSRF = 'setup'

/** The pages of the first start (A1–A9): who has the token answers the question and becomes the first administrator, once. */
export function setupRoutes(dependencies: SetupDependencies): Middleware {
  const { waiting, states, setupDecisions, browsers, responder, clock, limits, issuer } = dependencies
  const router = new Router()

  const askingOf = (ctx: Context): Asking => ({
    ip: ctx.ip,
    userAgent: ctx.get('user-agent'),
    locale: responder.locale(ctx),
  })

  function page(
    { ctx, browser }: SetupRequest,
    data: Record<string, unknown> & { step: string },
    error?: PageError,
  ): void {
    const form = { action: PATH, csrf: browser.csrf(CSRF), step: data.step }
    responder.page(
      ctx,
      { name: 'setup', view: 'pages/setup', ...(error && { error }), form, data },
      responder.locale(ctx),
    )
  }

  async function moveTo({ ctx, browser }: SetupRequest, next: SetupState): Promise<void> {
    await states.keep(browser.id, next)
    responder.redirect(ctx, PATH)
  }

  /** Where set-up stands, with what was wrong. */
  async function show(request: SetupRequest, error?: PageError): Promise<void> {
    const { at } = request
    if (at === undefined) return page(request, { step: 'decision', token: true }, error)
    if (at.step === 'decision') return page(request, { step: 'decision', token: false }, error)
    if (at.step === 'client') return page(request, { step: 'client', yaml: at.yaml, presets: OFFERED }, error)
    if (waiting === undefined) throw new RequestError('not-found')
    if (at.step === 'account') {
      const { username = '', email = '' } = at.typed ?? {}
      return page(request, { step: 'account', username, email, least: waiting.shortest(at.enabled) }, error)
    }
    const { draft, challenge } = at
    const administrators = factorOf(at, waiting)
    // Of a method that the file has taken out meanwhile there is nothing to show.
    const shown = challenge && administrators && (await administrators.show(draft, askingOf(request.ctx), challenge))
    const resendIn = administrators?.resendIn(challenge)
    page(request, { step: 'code', ...shown, email: draft.email, resendIn, choose: waiting.factors.length > 1 }, error)
  }

  async function decide(request: SetupRequest, form: Form, { tokens }: Waiting): Promise<void> {
    const { ctx, browser } = request
    if (request.at === undefined) {
      const checked = await tokens.check(form.get('token') ?? '', ctx.ip)
      if (!checked.ok) return show(request, tokenProblem(checked.wait))
    }
    const decision = decisionIn(form)
    const decided: SetupState | undefined =
      decision !== undefined && 'enabled' in decision ? { step: 'account', enabled: decision.enabled } : undefined
    if (decided !== undefined) return moveTo(request, decided)
    // The token was right: that is not asked again.
    const next: SetupState = { step: 'decision' }
    if (decision === undefined && request.at === undefined) return moveTo(request, next)
    await states.keep(browser.id, next)
    const error = decision !== undefined && 'error' in decision ? decision.error : ({ code: 'confirm' } as const)
    await show({ ...request, at: next }, error)
  }

  async function register(
    request: SetupRequest,
    form: Form,
    at: Extract<SetupState, { step: 'account' }>,
  ): Promise<void> {
    if (waiting === undefined) throw new RequestError('expired')
    const { ctx } = request
    if (form.get('action') === 'back') return moveTo(request, { step: 'decision' })
    const [administrators] = waiting.factors
    const typed = {
      username: (form.get('username') ?? '').slice(0, 200),
      email: (form.get('email') ?? '').slice(0, 300),
    }
    const drafted = await administrators.draft(form, at.enabled, responder.locale(ctx))
    if (!drafted.ok) return show({ ...request, at: { ...at, typed } }, drafted.error)
    const { draft } = drafted
    if (!at.enabled) return finish(request, draft, undefined)
    await begin(request, draft, administrators)
  }

  async function begin(request: SetupRequest, draft: Draft, administrators: Administrators): Promise<void> {
    const { ctx, browser } = request
    const begun = await administrators.begin(draft, askingOf(ctx))
    const { factor } = administrators
    const next: SetupState = { step: 'code', draft, factor, ...(begun.ok && { challenge: begun.challenge }) }
    if (begun.ok) return moveTo(request, next)
    await states.keep(browser.id, next)
    await show({ ...request, at: next }, problemOf(begun))
  }

  async function prove(request: SetupRequest, form: Form, at: AtCode): Promise<void> {
    if (waiting === undefined) throw new RequestError('expired')
    const { draft, challenge } = at
    const { factors } = waiting
    const administrators = factorOf(at, waiting)
    const action = form.get('action')
    if (action === 'back') {
      const { username, email } = draft
      return moveTo(request, { step: 'account', enabled: true, typed: { username, email } })
    }
    const next = factors[factors.findIndex(({ factor }) => factor === at.factor) + 1] ?? factors[0]
    if (action === 'choose' || administrators === undefined) return begin(request, draft, next)
    if (action === 'resend') return renew(request, at, administrators)
    if (challenge === undefined) return show(request, { code: 'expired' })
    const asking = askingOf(request.ctx)
    const code = form.get('code') ?? ''
    const finished = await administrators.finish(draft, asking, { challenge, code })
    if (finished.ok) return finish(request, draft, { ...finished, factor: at.factor })
    if (finished.reason === 'expired') return startOver(request, at, administrators)
    await show(request, problemOf(finished))
  }

  /** Where something is sent, its owner asks for another; where a key is shown, there is a new one at once. */
  async function startOver(request: SetupRequest, at: AtCode, administrators: Administrators): Promise<void> {
    const sent = administrators.resendIn(undefined) !== undefined
    const begun = sent ? undefined : await administrators.begin(at.draft, askingOf(request.ctx))
    const next: SetupState = { ...at, ...(begun?.ok === true && { challenge: begun.challenge }) }
    await states.keep(request.browser.id, next)
    await show({ ...request, at: next }, begun === undefined || begun.ok ? { code: 'expired' } : problemOf(begun))
  }

  async function renew(request: SetupRequest, at: AtCode, administrators: Administrators): Promise<void> {
    const renewed = await administrators.renew(at.draft, askingOf(request.ctx), at.challenge)
    if (!renewed.ok) return show(request, problemOf(renewed))
    await moveTo(request, { ...at, challenge: renewed.challenge })
  }

  /** The end: answer, administrator and factor at once, by whoever is first. */
  async function finish(request: SetupRequest, draft: Draft, proved: Proved | undefined): Promise<void> {
    if (waiting === undefined) throw new RequestError('expired')
    const { ctx } = request
    const answer: SetupDecision = { enabled: proved !== undefined, by: 'page', at: clock.now() }
    const audits = [
      answeredEvent(answer, { ip: ctx.ip }),
      { event: 'user.created', outcome: 'ok', ip: ctx.ip, details: { by: 'setup', admin: true } },
      ...(proved === undefined
        ? []
        : [
            {
              event: 'factor.added',
              outcome: 'ok',
              ip: ctx.ip,
              details: { factor: proved.factor, ceremony: 'setup' },
            } as const,
          ]),
      { event: 'setup.done', outcome: 'ok', ip: ctx.ip },
    ] as const
    try {
      const made = await setupDecisions.finish(answer, administratorOf(draft, proved), audits)
      // Somebody else was faster; what that says about this browser is nothing.
      if (made === undefined) throw new RequestError('expired')
      // First of all: by this the finished gateway, here or in another process, knows the browser that did it.
      await states.keep(request.browser.id, { step: 'client' })
    } catch (error) {
      if (!(error instanceof LoginTakenError)) throw error
      const { username, email } = draft
      const at = { step: 'account', enabled: proved !== undefined, typed: { username, email } } as const
      await states.keep(request.browser.id, at)
      return show({ ...request, at: at }, { code: 'username', reason: 'taken' })
    } finally {
      await waiting.answered()
    }
    responder.redirect(ctx, PATH)
  }

  async function offer(request: SetupRequest, form: Form): Promise<void> {
    const action = form.get('action')
    if (action === 'skip' || action === 'done') {
      await states.end(request.browser.id)
      return responder.redirect(request.ctx, ACCOUNT)
    }
    const yaml = firstClient(form, issuer)
    if (yaml === undefined) {
      const typed = {
        preset: form.get('preset'),
        client_id: form.get('client_id')?.slice(0, 200),
        redirect: form.get('redirect')?.slice(0, 2000),
      }
      return page(request, { step: 'client', presets: OFFERED, typed }, { code: 'client' })
    }
    await moveTo(request, { step: 'client', yaml })
  }

  /** Undefined: there is nothing left to do here, neither for others nor where the last step was not kept; who came may sign in. */
  async function visitOf(ctx: Context, browser: Browser): Promise<SetupRequest | undefined> {
    const at = await states.get(browser.id)
    if (waiting !== undefined || at?.step === 'client') return { ctx, browser, at: at }
    responder.redirect(ctx, ACCOUNT)
    return undefined
  }

  router.get(PATH, async (ctx) => {
    if (ctx.method === 'HEAD') return responder.nothing(ctx)
    const request = await visitOf(ctx, browsers.of(ctx))
    if (request !== undefined) await show(request)
  })

  router.post(PATH, async (ctx) => {
    const form = await readForm(ctx, limits)
    const request = await visitOf(ctx, browsers.check(ctx, form, { purpose: CSRF }))
    if (request === undefined) return
    const at = request.at
    const step = form.get('step')
    // A form of another step, by the back button or after an hour, shows where things stand.
    if (step !== undefined && step !== (at?.step ?? 'decision')) return responder.redirect(ctx, PATH)
    if (at?.step === 'client') return offer(request, form)
    if (waiting === undefined) throw new RequestError('expired')
    if (at?.step === 'account') return register(request, form, at)
    if (at?.step === 'code') return prove(request, form, at)
    await decide(request, form, waiting)
  })

  router.all(PATH, () => {
    throw new RequestError('method-not-allowed')
  })
  return router.routes() as Middleware
}

type AtCode = Extract<SetupState, { step: 'code' }>
type Proved = Extract<Finished, { ok: true }> & { factor: string }

function factorOf({ factor }: AtCode, { factors }: Waiting): Administrators | undefined {
  return factors.find((administrators) => administrators.factor === factor)
}

function tokenProblem(wait: number | undefined): PageError {
  return wait === undefined ? { code: 'credentials' } : { code: 'throttled', retryAfter: wait }
}

function administratorOf(draft: Draft, proved: Proved | undefined): FirstAdministrator {
  const { username, email, passwordHash } = draft
  return {
    username,
    email,
    passwordHash,
    admin: true,
    emailVerified: proved?.address === email,
    binding: proved && { type: proved.factor, record: proved.record },
  }
}

/** For whatever else is asked of a gateway whose set-up is not finished. */
export function setupWaits(responder: Responder): Middleware {
  return (ctx) => {
    if (ctx.path === '/' && (ctx.method === 'GET' || ctx.method === 'HEAD')) return responder.redirect(ctx, PATH)
    const error = { code: 'unavailable', retryAfter: RETRY_AFTER } as const
    responder.page(
      ctx,
      { name: 'error', view: 'pages/error', error, data: { detailKey: 'setup' } },
      responder.locale(ctx),
    )
    return undefined
  }
}

/** Milliseconds: somebody is at it. */
const RETRY_AFTER = 30_000
