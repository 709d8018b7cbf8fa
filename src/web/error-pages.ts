import type { Context, Middleware } from 'koa'
import type { Clock } from '../kernel/clock.ts'
import { RequestError, UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { randomToken } from '../kernel/secrets.ts'
import type { EndedInteraction, EndedInteractions } from '../mfa/session/ended-interaction.ts'
import type { PageError } from '../views/pages.ts'
import type { RelyingParties } from './relying-parties.ts'
import type { Responder } from './responder.ts'
import { requestAgain, type WayBack, wayBack } from './restart.ts'
import { withoutSecret } from './secret-address.ts'

export interface ErrorPagesDependencies {
  responder: Responder
  parties: RelyingParties
  endedInteractions: EndedInteractions
  clock: Clock
  log: Log
}

export interface ErrorPages {
  /** Outermost: what flew past everything becomes a page, poor outside and precise in the log (WE-12, FA-9). */
  middleware: Middleware
  /** Innermost: an address that is nobody's. */
  unknown: Middleware
  /** The error page; `uid`: of the interaction it ends, if any. */
  show(ctx: Context, error: PageError, uid?: string): Promise<void>
}

const INTERACTION = /^\/(?:interaction|auth)\/([\w-]{16,64})$/

export function createErrorPages({
  responder,
  parties,
  endedInteractions,
  clock,
  log,
}: ErrorPagesDependencies): ErrorPages {
  async function wayOut(uid: string | undefined): Promise<{ past: EndedInteraction; link: WayBack } | undefined> {
    const found = uid === undefined ? undefined : await endedInteractions.find(uid).catch(() => undefined)
    const client = found && parties.get(found.clientId)
    return client && { past: found, link: wayBack(found, { client, now: clock.now() }) }
  }

  async function show(ctx: Context, error: PageError, uid?: string): Promise<void> {
    const out = await wayOut(uid)
    // A second click on a form that has done its work: the sign-in is finished, and the request is answered by its
    // session.
    if (ctx.method === 'POST' && error.code === 'expired' && out?.past.ended === true) {
      return responder.redirect(ctx, requestAgain(out.past.params))
    }
    const data = { ...(out && { link: out.link }), ...(error.code === 'internal' && { requestId: requestId(ctx) }) }
    responder.page(
      ctx,
      { name: 'error', view: 'pages/error', error, data },
      responder.locale(ctx, out?.past.params.ui_locales),
    )
  }

  return {
    show,
    async unknown(ctx, next) {
      await next()
      if (ctx.status === 404 && ctx.body === undefined) throw new RequestError('not-found')
    },
    async middleware(ctx, next) {
      try {
        await next()
      } catch (error) {
        const problem = problemOf(error, ctx)
        if (problem.code === 'internal')
          log.error('a request failed', { request: requestId(ctx), path: withoutSecret(ctx.path), error })
        if (problem.code === 'unavailable') log.warn('a part is unavailable', { error })
        await show(ctx, problem, INTERACTION.exec(ctx.path)?.[1])
      }
    },
  }
}

function requestId(ctx: Context): string {
  ctx.state.requestId ??= randomToken(9)
  return String(ctx.state.requestId)
}

function problemOf(error: unknown, { req }: Context): PageError {
  if (error instanceof RequestError) {
    return { code: error.code, ...(error.retryAfter !== undefined && { retryAfter: error.retryAfter }) }
  }
  if (unavailable(error)) return { code: 'unavailable' }
  // A client that hung up in the middle of its body: nobody reads this, and it is no fault of ours.
  return req.destroyed && !req.complete ? { code: 'bad-request' } : { code: 'internal' }
}

/** Ours, or the engine's words for it. */
function unavailable(error: unknown): boolean {
  return error instanceof UnavailableError || (error instanceof Error && error.cause instanceof UnavailableError)
}
