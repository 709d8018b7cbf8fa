import type { Context } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import { UnavailableError } from '../kernel/errors.ts'
import type { ErrorPages } from '../web/error-pages.ts'
import type { Responder } from '../web/responder.ts'

/** As much of the engine's context as its pages need. */
interface EngineContext extends Context {
  oidc: {
    params?: Record<string, unknown> | undefined
    client?: { clientName?: string | undefined; clientUri?: string | undefined; clientId: string } | undefined
    session?: { accountId?: string | undefined; sidFor(clientId: string): string | undefined } | undefined
    entities: { IdTokenHint?: { payload: { sub?: unknown; sid?: unknown } } | undefined }
  }
}

/** The pages that the engine shows by itself: its errors and its logout. */
export interface EnginePageSet {
  error(ctx: EngineContext, out: { error: string }, error: unknown): Promise<void>
  logout(ctx: EngineContext, form: { action: string; xsrf: string }): Promise<void>
  signedOut(ctx: EngineContext): Promise<void>
}

/**
 * Whether the ID token that the relying party sent is of this session; one of another session may be somebody else's.
 */
function meansThisSession({ oidc: { client, entities, session } }: EngineContext): boolean {
  const hint = entities.IdTokenHint?.payload
  if (hint === undefined || client === undefined || session?.accountId === undefined) return false
  return hint.sub === session.accountId && hint.sid !== undefined && hint.sid === session.sidFor(client.clientId)
}

/** The engine's address at which an interaction is taken up again. */
const RESUME = /^\/auth\/([\w-]{16,64})$/

export interface EnginePageDependencies {
  responder: Responder
  errorPages: ErrorPages
  accounts: Pick<AccountStore, 'find'>
}

export function createEnginePages({ responder, errorPages, accounts }: EnginePageDependencies): EnginePageSet {
  const localeOf = (ctx: EngineContext, chosen?: string): string =>
    responder.locale(ctx, ctx.oidc?.params?.ui_locales, chosen)

  /** The language of whose session it is. When the store is down, that must not keep anybody from signing out. */
  async function chosenByOwner({ oidc: { session } }: EngineContext): Promise<string | undefined> {
    if (session?.accountId === undefined) return undefined
    return (await accounts.find(session.accountId).catch(() => undefined))?.locale
  }

  return {
    async error(ctx, out, error) {
      const uid = RESUME.exec(ctx.path)?.[1]
      if (error instanceof Error && error.name === 'SessionNotFound')
        return errorPages.show(ctx, { code: 'expired' }, uid)
      const down = error instanceof Error && error.cause instanceof UnavailableError
      if (down) return errorPages.show(ctx, { code: 'unavailable' })
      if (out.error === 'server_error') return errorPages.show(ctx, { code: 'internal' })
      const { status } = ctx
      responder.page(ctx, { name: 'error', view: 'pages/error', error: { code: 'protocol' }, data: {} }, localeOf(ctx))
      ctx.status = status
    },
    async logout(ctx, { action, xsrf }) {
      const { client } = ctx.oidc
      const name = client && (client.clientName ?? client.clientId)
      // When the relying party has shown that it means this very session, there is nothing left to ask (LO-1).
      const asked = meansThisSession(ctx)
      const locale = localeOf(ctx, await chosenByOwner(ctx))
      const next = `${action}?${new URLSearchParams({ ui_locales: locale })}`
      const data = { action: next, xsrf, asked, ...(name !== undefined && { client: name }) }
      responder.page(ctx, { name: 'logout', view: 'pages/logout', data }, locale)
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
        responder.locale(ctx, ctx.query.ui_locales),
      )
      // Without "cookies": the remembered device stays (SE-10). Relying parties clear what their own origin keeps.
      ctx.set('clear-site-data', '"cache", "storage"')
    },
  }
}
