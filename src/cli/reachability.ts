import type { Account } from '../accounts/account.ts'
import type { Installation } from '../app/installation.ts'

/**
 * Accounts that cannot sign in: every allowed method needs an address, and they have none (C6). Nobody, where one of
 * the methods can be bound during the sign-in.
 */
export async function accountsWithoutFactor(installation: Installation): Promise<Account[]> {
  const methods = await methodsOf(installation)
  const allowed = installation.registry.list().filter(({ type }) => methods.includes(type))
  if (allowed.some(({ bind }) => bind !== undefined)) return []
  const without = await installation.accounts.withoutEmail()
  return without.filter((account) => !allowed.some((authenticator) => authenticator.usableUnbound(account)))
}

/**
 * The methods that are allowed. `auto` is decided by the first start of the gateway, not here: until then, every kind
 * that it may choose counts.
 */
async function methodsOf({ config, settings, kinds }: Installation): Promise<readonly string[]> {
  if (config.mfa.methods !== 'auto') return config.mfa.methods
  const { METHODS_SETTING } = await import('../app/decisions.ts')
  return (
    (await settings.get(METHODS_SETTING))?.split(',') ??
    kinds.filter(({ auto }) => auto !== 'never').map(({ type }) => type)
  )
}
