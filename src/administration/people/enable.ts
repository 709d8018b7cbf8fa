import type { Account } from '../../accounts/account.ts'
import type { AccountAdmin } from '../../accounts/account-store.ts'
import { changeBy } from '../actor.ts'
import { type PersonDependencies, type PersonFacts, type PersonGone, type UnknownPerson, withPerson } from './person.ts'

export interface EnablePersonDependencies extends PersonDependencies {
  accounts: PersonDependencies['accounts'] & Pick<AccountAdmin, 'setDisabled'>
}

/** Lets somebody in again. `account`: as it was before. */
export function enablePerson(
  dependencies: EnablePersonDependencies,
  { actor, person }: PersonFacts,
): Promise<{ ok: true; account: Account } | UnknownPerson | PersonGone> {
  return withPerson(dependencies, person, async (account) => {
    await dependencies.accounts.setDisabled(account.id, false, changeBy(actor, 'user.enabled', { account }))
    return { ok: true, account }
  })
}
