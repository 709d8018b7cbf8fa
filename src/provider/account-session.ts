import type { Context } from 'koa'
import type { KoaContextWithOIDC, default as Provider } from 'oidc-provider'

/** Whose session a browser holds, for pages that are no part of an authorization request. */
export interface EngineSessions {
  of(ctx: Context): Promise<{ uid: string; accountId: string } | undefined>
}

export function createEngineSessions(provider: Provider): EngineSessions {
  return {
    async of(ctx) {
      const { uid, accountId } = await provider.Session.get(ctx as KoaContextWithOIDC)
      return accountId === undefined ? undefined : { uid, accountId }
    },
  }
}
