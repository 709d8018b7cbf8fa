import type { Context, Middleware } from 'koa'
import type { Clock } from '../kernel/clock.ts'
import { markEnded, type SessionProofRecords } from '../mfa/session/session-proofs.ts'

const CONFIRM = /^\/session\/end\/confirm\/?$/i
const SUCCESS = '/session/end/success'

/**
 * After a sign-out. The session's proofs are marked as ended, so that a request under way that saves the session once
 * more brings back no sign-in (SE-8); they are kept, because offline tokens are still judged by them. The browser
 * forgets what it kept of our pages (SE-10). The last page is in the language of the one before, although nobody is
 * signed in any more.
 */
export function signedOut({ proofs, clock }: { proofs: SessionProofRecords; clock: Clock }): Middleware {
  return async (ctx: Context, next) => {
    await next()
    if (!CONFIRM.test(ctx.path)) return
    keepLanguage(ctx)
    const session = (ctx as { oidc?: { session?: { uid: string; destroyed?: boolean } } }).oidc?.session
    if (session?.destroyed !== true) return
    ctx.set('clear-site-data', '"cache", "storage"')
    await markEnded(proofs, session.uid, clock)
  }
}

function keepLanguage(ctx: Context): void {
  const { ui_locales: locale } = ctx.query
  const location = ctx.response.get('location')
  if (typeof locale !== 'string' || !URL.canParse(location, ctx.href)) return
  const next = new URL(location, ctx.href)
  if (next.origin !== ctx.URL.origin || next.pathname !== SUCCESS) return
  next.searchParams.set('ui_locales', locale)
  ctx.redirect(next.href)
}
