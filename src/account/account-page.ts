import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { RequestError } from '../kernel/errors.ts'
import type { PageError } from '../views/pages.ts'
import type { Browser, Browsers } from '../web/browser.ts'
import { type Form, type FormLimits, readForm } from '../web/form.ts'
import type { PageModel, Responder } from '../web/responder.ts'
import { DISOWNED } from './activity.ts'
import { DONE } from './done.ts'
import type { Action, ActionOutcome, Section, SubPage, Visitor } from './section.ts'
import { HOME, type ReturnTo, type SignInRedirect } from './sign-in-redirect.ts'
import type { Visitors } from './visitors.ts'

export interface AccountPageDependencies {
  /** In the order of the page. */
  sections: readonly Section[]
  visitors: Visitors
  entrance: SignInRedirect
  browsers: Browsers
  responder: Responder
  limits: FormLimits
}

/** Somebody at their own page: the request with what it was found to be. */
interface AccountRequest {
  ctx: Context
  browser: Browser
  visitor: Visitor
}

type Problem = Extract<ActionOutcome, { error: PageError }> & { section: string }

/**
 * The user's own page. It has no session of its own: each request asks whose the engine's is and what was proved in it; whoever falls short
 * goes through the sign-in and comes back. GET shows, POST changes, and what changes the account's protection needs a fresh second factor.
 */
export function accountRoutes(dependencies: AccountPageDependencies): Middleware {
  const { sections, visitors, entrance, browsers, responder, limits } = dependencies
  const actions = actionsOf(sections)
  const subPages = new Map(sections.flatMap(({ pages = {} }) => Object.entries(pages)))
  const router = new Router()

  /** The request, or undefined where the answer is the way to the sign-in. */
  async function requestOf(ctx: Context, to: string): Promise<AccountRequest | undefined> {
    const browser = browsers.of(ctx)
    const visitor = await visitors.of(ctx, browser)
    if (visitor !== undefined) return { ctx, browser, visitor }
    entrance.signIn(ctx, browser, { own: 'view', to })
    return undefined
  }

  function send({ ctx, browser, visitor }: AccountRequest, answer: PageModel, action: string): void {
    const form = { action, csrf: browser.csrf(csrfOf(visitor)), step: answer.name }
    responder.page(ctx, { ...answer, form }, visitor.locale)
  }

  async function showPage(at: AccountRequest, problem?: Problem): Promise<void> {
    const shown = await Promise.all(
      sections.map(async (section) => ({ name: section.name, data: await section.show(at.visitor) })),
    )
    const done = problem === undefined ? doneOf(at.ctx) : undefined
    const parts = shown
      .filter(({ data }) => data !== undefined)
      .map(({ name, data }) => ({
        name,
        data,
        failed: problem?.section === name,
        field: problem?.field,
        done: done?.section === name ? done.notice : undefined,
      }))
    const { account } = at.visitor
    const answer: PageModel = {
      name: 'account',
      view: 'pages/account',
      ...(problem !== undefined && { error: problem.error }),
      data: {
        parts,
        person: account.name ?? account.username,
        done: parts.some((part) => part.done !== undefined) ? undefined : done?.notice,
      },
    }
    send(at, answer, HOME)
  }

  async function showSubPage(at: AccountRequest, path: string, page: SubPage & { error?: PageError }): Promise<void> {
    const data = await page.show(at.visitor)
    if (data === undefined) return responder.redirect(at.ctx, HOME)
    const { name, view, error } = page
    send(at, { name, view, ...(error !== undefined && { error }), data }, `${HOME}/${path}`)
  }

  /** WE-1: bound to the browser and to the session. */
  function check({ ctx, visitor }: AccountRequest, form: Form): void {
    browsers.check(ctx, form, { purpose: csrfOf(visitor), facts: { account: visitor.account.id } })
  }

  function confirm({ ctx, browser, visitor }: AccountRequest, errand: Omit<ReturnTo, 'own' | 'locale'>): void {
    entrance.signIn(ctx, browser, { ...errand, own: 'change', locale: visitor.account.locale })
  }

  async function follow(
    { ctx, browser, visitor }: AccountRequest,
    outcome: Exclude<ActionOutcome, { error: PageError }>,
  ): Promise<void> {
    const { signIn, notice, proof } = outcome
    if (proof !== undefined) await visitors.proved(ctx, visitor, proof)
    const to = notice === undefined ? outcome.to : withNotice(outcome.to, notice)
    const { locale } = visitor.account
    if (signIn !== undefined) entrance.signIn(ctx, browser, { own: 'view', to, acrValues: signIn.acrValues, locale })
    else responder.redirect(ctx, to)
  }

  router.get(HOME, async (ctx) => {
    if (ctx.method === 'HEAD') return responder.nothing(ctx)
    const at = await requestOf(ctx, HOME)
    if (at !== undefined) await showPage(at)
  })

  router.post(HOME, async (ctx) => {
    const form = await readForm(ctx, limits)
    const at = await requestOf(ctx, HOME)
    if (at === undefined) return
    check(at, form)
    const found = actions.get(form.get('action') ?? '')
    if (found === undefined) throw new RequestError('bad-request')
    const { action, section } = found
    // The form is not kept over the sign-in: what it would have done is asked for again.
    if (action.open !== true && !at.visitor.fresh) {
      return confirm(at, { to: withNotice(`${HOME}#${section}`, 'confirmed') })
    }
    const outcome = await action.act(at.visitor, form)
    if ('error' in outcome) return showPage(at, { ...outcome, section })
    await follow(at, outcome)
  })

  router.get('/account/signed-in', (ctx) => entrance.arrived(ctx, browsers.of(ctx)))

  // Who sees it has no session any more.
  router.get(DISOWNED, (ctx) => {
    const answer: PageModel = { name: 'disowned', view: 'pages/disowned', data: {} }
    responder.page(ctx, answer, responder.locale(ctx))
  })

  router.get('/account/:page', async (ctx) => {
    const [path, page] = subPageIn(ctx)
    if (ctx.method === 'HEAD') return responder.nothing(ctx)
    const at = await requestOf(ctx, `${HOME}/${path}`)
    if (at === undefined) return
    if (page.open !== true && !at.visitor.fresh) return confirm(at, { to: `${HOME}/${path}` })
    await showSubPage(at, path, page)
  })

  router.post('/account/:page', async (ctx) => {
    const [path, page] = subPageIn(ctx)
    if (page.post === undefined) throw new RequestError('method-not-allowed')
    const form = await readForm(ctx, limits)
    const at = await requestOf(ctx, HOME)
    if (at === undefined) return
    check(at, form)
    if (form.get('action') === 'cancel') return responder.redirect(ctx, HOME)
    if (page.open !== true && !at.visitor.fresh) return confirm(at, { to: `${HOME}/${path}` })
    const outcome = await page.post(at.visitor, form)
    if ('error' in outcome) return showSubPage(at, path, { ...page, error: outcome.error })
    await follow(at, outcome)
  })

  function subPageIn({ params }: { params: { page?: string } }): [string, SubPage] {
    const { page: path = '' } = params
    const page = subPages.get(path)
    if (page === undefined) throw new RequestError('not-found')
    return [path, page]
  }

  router.all(HOME, notAllowed)
  router.all('/account/:page', notAllowed)
  return router.routes() as Middleware
}

function notAllowed(): never {
  throw new RequestError('method-not-allowed')
}

const csrfOf = ({ session }: Visitor): string => `account ${session.uid}`

/** What the address asks to be said, and in which section: where the browser scrolls to. */
function doneOf({ query }: Context): { notice: string; section: unknown } | undefined {
  const { done, at } = query
  return typeof done === 'string' && DONE.has(done) ? { notice: done, section: at } : undefined
}

/** `/account#factors` → `/account?done=KEY&at=factors#factors`. */
function withNotice(to: string, notice: string): string {
  if (!DONE.has(notice)) throw new Error(`the account page cannot say ${notice}`)
  const [path = HOME, place] = to.split('#')
  return `${path}?done=${notice}${place === undefined ? '' : `&at=${place}#${place}`}`
}

function actionsOf(sections: readonly Section[]): ReadonlyMap<string, { action: Action; section: string }> {
  const all = sections.flatMap(({ name, actions }) =>
    Object.entries(actions).map(([key, action]) => [key, { action, section: name }] as const),
  )
  const byName = new Map(all)
  if (byName.size !== all.length) throw new Error('two sections of the account page share the name of an action')
  return byName
}
