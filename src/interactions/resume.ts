import type { Context, Middleware } from 'koa'
import { RequestError } from '../kernel/errors.ts'
import type { Browser, Browsers } from '../web/browser.ts'

/** The parameter of the engine's own address in which a browser shows that it has finished the interaction. */
const PARAMETER = 'finished'
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
 * Before the engine: a finished interaction is taken up by the browser that has finished it alone. The engine goes by a cookie that a
 * neighbour under the same domain can plant: whoever began a sign-in could have somebody else finish it and take the session (WE-3, SE-2).
 * The engine reads the uid from the cookie and not from the path, so that both have to be the same.
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
