import type { Configuration } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { AccountStore } from '../accounts/account-store.ts'
import type { Level } from '../mfa/assurance/levels.ts'
import { engineAccount } from './engine-account.ts'
import type { GrantPolicy } from './grants.ts'
import { createRecheck, type RecheckDependencies } from './recheck.ts'

export interface TokenOwnerDependencies {
  accounts: Pick<AccountStore, 'find'>
  grants: Pick<GrantPolicy, 'good'>
}

/**
 * The account of a session (without `token`) or of a token; undefined once it is gone or disabled, or has changed so
 * that the token is worthless (SE-8).
 */
async function ownerOf(
  id: string,
  token: object | undefined,
  { accounts, grants }: TokenOwnerDependencies,
): Promise<Account | undefined> {
  const account = await accounts.find(id)
  if (account === undefined || account.disabled) return undefined
  if (token === undefined) return account
  return grants.good((token as { grantId?: string }).grantId, account) ? account : undefined
}

/** Whether a token is still good, as far as its owner goes; one without an owner is. */
export async function ownerAllows(token: object, dependencies: TokenOwnerDependencies): Promise<boolean> {
  const { accountId } = token as { accountId?: string }
  return accountId === undefined || (await ownerOf(accountId, token, dependencies)) !== undefined
}

/**
 * How the engine finds an account. For a refresh token, policy is asked again whether it would still be given today.
 */
export function createAccountFinder(
  dependencies: TokenOwnerDependencies & RecheckDependencies,
): NonNullable<Configuration['findAccount']> {
  const recheck = createRecheck(dependencies)
  return async (ctx, id, token) => {
    const account = await ownerOf(id, token, dependencies)
    if (account === undefined) return undefined
    const { client } = ctx.oidc
    if (token === undefined || token.kind !== 'RefreshToken' || client === undefined) return engineAccount(account)
    const { acr, sessionUid } = token as { acr?: string; sessionUid?: string }
    const asked = { id: client.clientId, require: client.require as Level | undefined }
    return (await recheck(account, { acr, sessionUid, client: asked })) ? engineAccount(account) : undefined
  }
}
