import type { Context } from 'koa'
import { SECOND } from '../kernel/clock.ts'
import type { Page, PageError, Pages } from '../views/pages.ts'
import type { Texts } from '../views/texts.ts'
import { FORMS_STAY } from './headers.ts'
import { isSecretAddress } from './secret-address.ts'

/** A page without what every request decides anew. */
export type PageModel = Omit<Page, 'locale' | 'referrer'>

export interface Responder {
  /** What the request asks for (`ui_locales`), then what its person has chosen, then what the browser prefers. */
  locale(ctx: Context, uiLocales?: unknown, chosen?: string): string
  page(ctx: Context, answer: PageModel, locale: string): void
  /** What a page's HEAD says, without making the page. */
  nothing(ctx: Context): void
  /** 303: the answer to every form that succeeded (OA-7). */
  redirect(ctx: Context, location: string): void
}

/** The status that a page with this problem is answered with. */
const STATUS: Record<PageError['code'], number> = {
  credentials: 401,
  code: 401,
  clock: 401,
  password: 400,
  address: 400,
  username: 400,
  confirm: 400,
  client: 400,
  csrf: 403,
  locked: 403,
  'no-address': 403,
  expired: 410,
  throttled: 429,
  mail: 503,
  unavailable: 503,
  'bad-request': 400,
  'not-found': 404,
  'method-not-allowed': 405,
  'too-large': 413,
  protocol: 400,
  'not-signed-in': 403,
  'last-factor': 403,
  internal: 500,
}

/** Its form is the engine's, and may lead to the relying party like those of a sign-in. */
const LEAVING: ReadonlySet<string> = new Set(['logout'])
const SIGN_IN = '/interaction/'

/** Seconds to say when nobody knows better. */
const RETRY_AFTER = 5

export function createResponder({ texts, pages }: { texts: Texts; pages: Pages }): Responder {
  return {
    locale(ctx, uiLocales, chosen) {
      const asked = typeof uiLocales === 'string' ? uiLocales.split(' ') : []
      return texts.negotiate([...asked, ...(chosen === undefined ? [] : [chosen]), ...ctx.acceptsLanguages()])
    },
    page(ctx, answer, locale) {
      const { error } = answer
      ctx.status = error === undefined ? 200 : STATUS[error.code]
      if (ctx.status === 429 || ctx.status === 503) {
        const wait = error?.retryAfter === undefined ? RETRY_AFTER : Math.ceil(error.retryAfter / SECOND)
        ctx.set('retry-after', `${Math.max(1, wait)}`)
      }
      ctx.set('cache-control', 'no-store')
      const leaves = LEAVING.has(answer.name) || answer.form?.action.startsWith(SIGN_IN) === true
      if (!leaves) ctx.set('content-security-policy', FORMS_STAY)
      ctx.type = 'html'
      const referrer = isSecretAddress(ctx.path) ? 'no-referrer' : 'same-origin'
      if (referrer === 'no-referrer') ctx.set('referrer-policy', referrer)
      ctx.body = pages.render({ ...answer, locale, referrer })
    },
    nothing(ctx) {
      ctx.status = 200
      ctx.set('cache-control', 'no-store')
      ctx.type = 'html'
    },
    redirect(ctx, location) {
      ctx.set('cache-control', 'no-store')
      ctx.redirect(location)
      ctx.status = 303
      ctx.body = ''
    },
  }
}
