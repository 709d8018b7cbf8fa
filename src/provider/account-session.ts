import type { Context } from 'koa'
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider'
import { cookieNames, SESSION_COOKIE } from './cookies.ts'

/** The engine's session of a browser, for pages that are no part of an authorization request. */
export interface EngineSessions {
  /** Whose it is; undefined: nobody is signed in. */
  of(ctx: Context): Promise<{ uid: string; accountId: string } | undefined>
  /** To be called after more was proved in it: the session goes on under a new id, and the old one is dead (SE-2). */
  renew(ctx: Context): Promise<void>
}

export function createEngineSessions(provider: Provider, { issuer }: { issuer: string }): EngineSessions {
  const cookie = { ...SESSION_COOKIE, secure: issuer.startsWith('https:') }
  return {
    async of(ctx) {
      const { uid, accountId } = await provider.Session.get(ctx as KoaContextWithOIDC)
      return accountId === undefined ? undefined : { uid, accountId }
    },
    async renew(ctx) {
      const session = await provider.Session.get(ctx as KoaContextWithOIDC)
      if (session.accountId === undefined) return
      session.resetIdentifier()
      await session.persist()
      ctx.cookies.set(cookieNames(issuer).session, session.jti, cookie)
    },
  }
}
