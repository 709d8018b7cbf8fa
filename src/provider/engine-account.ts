import type { Account as EngineAccountShape, KoaContextWithOIDC } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import { claimsOf } from './claims.ts'

/** The engine's account, with ours inside. */
interface EngineAccount extends EngineAccountShape {
  account: Account
}

export function engineAccount(account: Account): EngineAccount {
  return { accountId: account.id, account, claims: async () => claimsOf(account) }
}

/** Our account of an engine's request; undefined before a sign-in, and for an account that is gone. */
export function accountOf(ctx: KoaContextWithOIDC): Account | undefined {
  return (ctx.oidc.account as EngineAccount | undefined)?.account
}
