import Router from '@koa/router'
import type { Middleware } from 'koa'
import { RequestError } from '../kernel/errors.ts'
import type { FormLimits } from '../web/form.ts'
import type { PageModel } from '../web/responder.ts'
import { type AccountRequestsDependencies, createAccountRequests } from './account-requests.ts'
import { DISOWNED } from './activity.ts'
import { createMainPage } from './main-page.ts'
import { SIGNED_IN } from './own-clients.ts'
import type { Section } from './section.ts'
import { HOME } from './sign-in-redirect.ts'
import { createSubPages } from './sub-pages.ts'

export interface AccountPageDependencies extends AccountRequestsDependencies {
  /** In the order of the page. */
  sections: readonly Section[]
  limits: FormLimits
}

const SUB_PAGE = `${HOME}/:page`

/**
 * The page on which people look after their own account. It has no session of its own: each request asks whose
 * session the engine has in this browser and what was proved in it, and whoever falls short goes through the sign-in
 * and comes back. GET shows, POST changes, and what changes the account's protection needs a fresh second factor.
 */
export function accountRoutes(dependencies: AccountPageDependencies): Middleware {
  const { sections, signInRedirect, browsers, responder, limits } = dependencies
  const requests = createAccountRequests(dependencies)
  const main = createMainPage({ sections, requests, limits })
  const subPages = createSubPages({ sections, requests, responder, limits })
  const router = new Router()

  router.get(HOME, (ctx) => (ctx.method === 'HEAD' ? responder.nothing(ctx) : main.get(ctx)))
  router.post(HOME, (ctx) => main.post(ctx))

  router.get(SIGNED_IN, (ctx) => signInRedirect.arrived(ctx, browsers.of(ctx)))

  // Whoever sees this page has ended all their sessions, this one too.
  router.get(DISOWNED, (ctx) => {
    const model: PageModel = { name: 'disowned', view: 'pages/disowned', data: {} }
    responder.page(ctx, model, responder.locale(ctx))
  })

  router.get(SUB_PAGE, (ctx) => subPages.get(ctx))
  router.post(SUB_PAGE, (ctx) => subPages.post(ctx))

  router.all(HOME, notAllowed)
  router.all(SUB_PAGE, notAllowed)
  return router.routes() as Middleware
}

function notAllowed(): never {
  throw new RequestError('method-not-allowed')
}
