import type { Context } from 'koa'
import { Unavailable } from '../kernel/errors.ts'
import type { Boundary } from './boundary.ts'
import type { Responder } from './responder.ts'

/** As much of the engine's context as its pages need. */
interface EngineContext extends Context {
  oidc: {
    params?: Record<string, unknown> | undefined
    client?: { clientName?: string | undefined; clientUri?: string | undefined; clientId: string } | undefined
    session?: { accountId?: string | undefined } | undefined
    entities: { IdTokenHint?: unknown }
  }
}

/** The pages that the engine shows by itself: its errors and its logout. */
export interface EnginePageSet {
  error(ctx: EngineContext, out: { error: string }, error: unknown): Promise<void>
  logout(ctx: EngineContext, form: { action: string; xsrf: string }): Promise<void>
  signedOut(ctx: EngineContext): Promise<void>
}

const RESUME = /^\/auth\/([\w-]{16,64})$/

export function createEnginePages({
  responder,
  boundary,
}: {
  responder: Responder
  boundary: Boundary
}): EnginePageSet {
  const localeOf = (ctx: EngineContext): string => responder.locale(ctx, ctx.oidc?.params?.ui_locales)
  return {
    async error(ctx, out, error) {
      const uid = RESUME.exec(ctx.path)?.[1]
      if (error instanceof Error && error.name === 'SessionNotFound')
        return boundary.show(ctx, { code: 'expired' }, uid)
      const down = error instanceof Error && error.cause instanceof Unavailable
      if (down) return boundary.show(ctx, { code: 'unavailable' })
      if (out.error === 'server_error') return boundary.show(ctx, { code: 'internal' })
      const { status } = ctx
      responder.page(ctx, { name: 'error', view: 'pages/error', error: { code: 'protocol' }, data: {} }, localeOf(ctx))
      ctx.status = status
    },
    async logout(ctx, { action, xsrf }) {
      const { client, entities } = ctx.oidc
      const name = client && (client.clientName ?? client.clientId)
      // The relying party showed whose session it means: nothing is left to ask (LO-1).
      const asked = entities.IdTokenHint !== undefined
      const data = { action, xsrf, asked, ...(name !== undefined && { client: name }) }
      responder.page(ctx, { name: 'logout', view: 'pages/logout', data }, localeOf(ctx))
    },
    async signedOut(ctx) {
      const { client } = ctx.oidc
      responder.page(
        ctx,
        {
          name: 'signed-out',
          view: 'pages/signed-out',
          ...(client && {
            client: { name: client.clientName ?? client.clientId, ...(client.clientUri && { uri: client.clientUri }) },
          }),
          data: {},
        },
        localeOf(ctx),
      )
      // A relying party's own origin clears its own; cookies of ours that are not the session's stay (SE-10).
      ctx.set('clear-site-data', '"cache", "storage"')
    },
  }
}
