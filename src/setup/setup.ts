import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import type { Clock } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import type { SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
import type { PageError } from '../views/pages.ts'
import type { Browser, Browsers } from '../web/browser.ts'
import { type FormLimits, readForm } from '../web/form.ts'
import type { Responder } from '../web/responder.ts'
import { createAccountStep } from './account-step.ts'
import type { Administrators } from './administrator.ts'
import { createClientStep } from './client-step.ts'
import { createCodeStep } from './code-step.ts'
import { createCompletion } from './completion.ts'
import { createDecisionStep } from './decision-step.ts'
import { type SetupState, type SetupStates, START, type StepName } from './setup-state.ts'
import { ACCOUNT, SETUP, type SetupRequest, type SetupStep, type StepOutcome } from './step.ts'
import type { SetupTokens } from './token.ts'

/** What set-up needs as long as it waits for somebody to finish it. */
export interface Waiting {
  tokens: SetupTokens
  /** One for each method in force, in the order offered; at least one. */
  factors: readonly [Administrators, ...Administrators[]]
  /** How many characters a new password needs under this decision. */
  shortest(enabled: boolean): number
  /** Has the gateway look whether there is an answer, and serve if there is. Never rejects. */
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

/** The steps of set-up by name, in their order; after its end only the last one is left. */
type SetupSteps = { [Name in StepName]?: SetupStep<Name> }

/** The purpose of the forms' CSRF token. */
const PURPOSE = 'setup'

/**
 * The pages of the first start (A1–A9): whoever has the token of the console decides whether everybody needs a second
 * factor, and becomes the first administrator, once. GET shows the step at which this browser stands, POST answers
 * it.
 */
export function setupRoutes(dependencies: SetupDependencies): Middleware {
  const { states, browsers, responder, limits } = dependencies
  const steps = stepsOf(dependencies)
  const router = new Router()

  /** Where this browser stands; undefined where set-up is over and this browser did not do it. */
  async function stateOf(browser: Browser): Promise<SetupState | undefined> {
    const state = (await states.get(browser.id)) ?? START
    return steps[state.step] === undefined ? undefined : state
  }

  const requestOf = (ctx: Context, browser: Browser): SetupRequest => ({
    ip: ctx.ip,
    userAgent: ctx.get('user-agent'),
    locale: responder.locale(ctx),
    browser: browser.id,
  })

  async function show(ctx: Context, browser: Browser, given: { at: SetupState; error?: PageError }): Promise<void> {
    const { at, error } = given
    const data = { ...(await stepAt(steps, at).view(at, requestOf(ctx, browser))), step: at.step }
    const form = { action: SETUP, csrf: browser.csrf(PURPOSE), step: at.step }
    const model = { name: 'setup', view: 'pages/setup', ...(error && { error }), form, data }
    responder.page(ctx, model, responder.locale(ctx))
  }

  async function follow(ctx: Context, browser: Browser, outcome: StepOutcome): Promise<void> {
    if ('redirect' in outcome) return responder.redirect(ctx, outcome.redirect)
    if ('shown' in outcome) return show(ctx, browser, { at: outcome.shown, error: outcome.error })
    const { next, error } = outcome
    await states.keep(browser.id, next)
    if (error === undefined) return responder.redirect(ctx, SETUP)
    await show(ctx, browser, { at: next, error })
  }

  router.get(SETUP, async (ctx) => {
    if (ctx.method === 'HEAD') return responder.nothing(ctx)
    const browser = browsers.of(ctx)
    const at = await stateOf(browser)
    if (at === undefined) return responder.redirect(ctx, ACCOUNT)
    await show(ctx, browser, { at })
  })

  router.post(SETUP, async (ctx) => {
    const form = await readForm(ctx, limits)
    const browser = browsers.check(ctx, form, { purpose: PURPOSE })
    const at = await stateOf(browser)
    if (at === undefined) return responder.redirect(ctx, ACCOUNT)
    const step = form.get('step')
    // A form of another step, sent after the back button or an hour later, shows where things stand.
    if (step !== undefined && step !== at.step) return responder.redirect(ctx, SETUP)
    const outcome = await stepAt(steps, at).answer(at, requestOf(ctx, browser), form)
    await follow(ctx, browser, outcome)
  })

  router.all(SETUP, () => {
    throw new RequestError('method-not-allowed')
  })
  return router.routes() as Middleware
}

function stepsOf({ waiting, states, setupDecisions, clock, issuer }: SetupDependencies): SetupSteps {
  const client = createClientStep({ states, issuer })
  if (waiting === undefined) return { client }
  const { tokens, factors, shortest, answered } = waiting
  const complete = createCompletion({ setupDecisions, states, clock, answered })
  return {
    decision: createDecisionStep({ tokens }),
    account: createAccountStep({ factors, shortest, complete }),
    code: createCodeStep({ factors, complete }),
    client,
  }
}

function stepAt<Name extends StepName>(steps: SetupSteps, { step }: SetupState<Name>): SetupStep<Name> {
  const found: SetupSteps[Name] = steps[step]
  if (found === undefined) throw new RequestError('not-found')
  return found
}

/** Answers everything else that is asked of a gateway whose set-up is not finished: it is not available yet. */
export function setupWaits(responder: Responder): Middleware {
  return (ctx) => {
    if (ctx.path === '/' && (ctx.method === 'GET' || ctx.method === 'HEAD')) return responder.redirect(ctx, SETUP)
    const error = { code: 'unavailable', retryAfter: RETRY_AFTER } as const
    const model = { name: 'error', view: 'pages/error', error, data: { detailKey: 'setup' } }
    responder.page(ctx, model, responder.locale(ctx))
    return undefined
  }
}

/** Milliseconds after which to ask again. */
const RETRY_AFTER = 30_000
