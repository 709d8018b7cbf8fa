import type { Account } from '../../accounts/account.ts'
import type { AccountAdmin } from '../../accounts/account-store.ts'
import type { PasswordLinks } from '../../accounts/password-links.ts'
import type { RememberedDevices } from '../../mfa/session/remembered-device.ts'
import type { Sessions } from '../../mfa/session/sessions.ts'
import { changeBy } from '../actor.ts'
import type { NotDone } from '../not-done.ts'
import { type PersonDependencies, type PersonFacts, type PersonGone, type UnknownPerson, withPerson } from './person.ts'

export interface RemovePersonDependencies extends PersonDependencies {
  accounts: PersonDependencies['accounts'] & Pick<AccountAdmin, 'remove'>
  activations: Pick<PasswordLinks, 'revoke'>
  devices: Pick<RememberedDevices, 'forgetAll'>
  sessions: Pick<Sessions, 'endAll'>
}

/** The account that is meant has another user name than the one that was typed. */
export interface OtherName extends NotDone<'other-name'> {
  account: Account
}

/**
 * Removes an account with its factors, for good. `username` is what the administrator typed to say so: nothing brings
 * an account back, and an address or another spelling is not enough to mean it. `account`: as it was.
 */
export function removePerson(
  dependencies: RemovePersonDependencies,
  { actor, person, username }: PersonFacts & { username: string },
): Promise<{ ok: true; account: Account } | UnknownPerson | PersonGone | OtherName> {
  const { accounts, activations, devices, sessions } = dependencies
  return withPerson(dependencies, person, async (account) => {
    const { id } = account
    if (account.username !== username) return { ok: false, reason: 'other-name', account }
    await activations.revoke(id)
    await devices.forgetAll(id)
    await sessions.endAll(id)
    await accounts.remove(id, changeBy(actor, 'user.deleted', { account, details: { username } }))
    return { ok: true, account }
  })
}
