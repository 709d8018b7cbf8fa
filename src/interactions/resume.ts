import type { Context, Middleware } from 'koa'
import { RequestError } from '../kernel/errors.ts'
import type { Browser, Browsers } from '../web/browser.ts'

/** The parameter with which a browser shows, at the engine's own address, that it has finished the interaction. */
const PARAMETER = 'finished'
/** Case and repeated slashes are ignored, so that no other spelling of the engine's address gets past the check. */
const UNDER = /^\/+auth\/./i
const RESUME = /^\/auth\/([\w-]{16,64})\/?$/i

const purposeOf = (uid: string): string => `resume ${uid}`

/** Where this browser takes its finished interaction back to the engine. */
export function resumedBy(browser: Browser, { uid, returnTo }: { uid: string; returnTo: string }): string {
  const address = new URL(returnTo)
  address.searchParams.set(PARAMETER, browser.csrf(purposeOf(uid)))
  return address.href
}

/**
 * Stands before the engine: only the browser that has finished an interaction may take it up again. The engine itself
 * goes by a cookie, which another site under the same domain can plant: somebody could begin a sign-in, have another
 * person finish it, and take the session (WE-3, SE-2). The engine reads the uid from the cookie and not from the
 * path, so both have to be the same.
 */
export function resumeGuard({ browsers, cookie }: { browsers: Pick<Browsers, 'issued'>; cookie: string }): Middleware {
  return async (ctx: Context, next) => {
    if (UNDER.test(ctx.path) && !isOwn(ctx)) throw new RequestError('expired')
    await next()
  }

  function isOwn(ctx: Context): boolean {
    const uid = RESUME.exec(ctx.path)?.[1]
    if (uid === undefined || ctx.cookies.get(cookie, { signed: false }) !== uid) return false
    return browsers.issued(ctx, { purpose: purposeOf(uid), token: ctx.query[PARAMETER] })
  }
}
