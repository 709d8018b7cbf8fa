import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { RequestError } from '../kernel/errors.ts'
import type { PageError } from '../views/pages.ts'
import type { Browsers } from '../web/browser.ts'
import { type FormLimits, readForm } from '../web/form.ts'
import type { Responder } from '../web/responder.ts'
import type { ResetRequests } from './reset-requests.ts'

export const FORGOT = '/forgot'

export interface ForgotPageDependencies {
  requests: Pick<ResetRequests, 'take'>
  browsers: Browsers
  responder: Responder
  limits: FormLimits
}

/** Longer names belong to nobody. */
const NAME_LENGTH = 254
const SENT = `${FORGOT}/sent`

/** The page for people who have forgotten their password. Its answer is the same for everybody (EN-4). */
export function forgotRoutes({ requests, browsers, responder, limits }: ForgotPageDependencies): Middleware {
  const router = new Router()

  function show(ctx: Context, given: { username?: string; error?: PageError } = {}): void {
    const { username = '', error } = given
    const form = { action: FORGOT, csrf: browsers.of(ctx).csrf(FORGOT), step: 'forgot' }
    const answer = { name: 'forgot', view: 'pages/forgot', form, data: { username } }
    responder.page(ctx, { ...answer, ...(error !== undefined && { error }) }, responder.locale(ctx))
  }

  router.get(FORGOT, (ctx) => show(ctx))

  router.post(FORGOT, async (ctx) => {
    const form = await readForm(ctx, limits)
    browsers.check(ctx, form, { purpose: FORGOT })
    const username = form.get('username') ?? ''
    if (username.trim() === '' || username.length > NAME_LENGTH) {
      return show(ctx, { username: username.slice(0, NAME_LENGTH), error: { code: 'bad-request', reason: 'name' } })
    }
    const request = { login: username, ip: ctx.ip, userAgent: ctx.get('user-agent'), locale: responder.locale(ctx) }
    const wait = await requests.take(request)
    if (wait !== undefined) return show(ctx, { username, error: { code: 'throttled', retryAfter: wait } })
    responder.redirect(ctx, SENT)
  })

  router.get(SENT, (ctx) => {
    responder.page(ctx, { name: 'forgot', view: 'pages/forgot', data: { sent: true } }, responder.locale(ctx))
  })

  for (const path of [FORGOT, SENT]) {
    router.all(path, () => {
      throw new RequestError('method-not-allowed')
    })
  }
  return router.routes() as Middleware
}
