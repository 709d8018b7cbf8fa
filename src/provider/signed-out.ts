import type { Context, Middleware } from 'koa'
import type { Clock } from '../kernel/clock.ts'
import { markEnded, type SessionProofRecords } from '../mfa/session-proofs.ts'

const CONFIRM = /^\/session\/end\/confirm\/?$/i

/**
 * After a sign-out: a request that was under way and saves the session once more brings back no sign-in (SE-8), and the browser forgets
 * what it kept of our pages (SE-10). Offline tokens still go by what was proved.
 */
export function signedOut({ proofs, clock }: { proofs: SessionProofRecords; clock: Clock }): Middleware {
  return async (ctx: Context, next) => {
    await next()
    if (!CONFIRM.test(ctx.path)) return
    const session = (ctx as { oidc?: { session?: { uid: string; destroyed?: boolean } } }).oidc?.session
    if (session?.destroyed !== true) return
    ctx.set('clear-site-data', '"cache", "storage"')
    await markEnded(proofs, session.uid, clock)
  }
}
