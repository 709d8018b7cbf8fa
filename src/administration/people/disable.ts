import type { Account } from '../../accounts/account.ts'
import type { AccountAdmin } from '../../accounts/account-store.ts'
import type { PasswordLinks } from '../../accounts/password-links.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { Notices } from '../../mail/notices.ts'
import type { Sessions } from '../../mfa/session/sessions.ts'
import { changeBy } from '../actor.ts'
import { type PersonDependencies, type PersonFacts, type PersonGone, type UnknownPerson, withPerson } from './person.ts'

export interface DisablePersonDependencies extends PersonDependencies {
  accounts: PersonDependencies['accounts'] & Pick<AccountAdmin, 'setDisabled'>
  activations: Pick<PasswordLinks, 'revoke'>
  sessions: Pick<Sessions, 'endAll'>
  notices: Notices
  clock: Clock
}

/** Lets somebody in no more: sessions end, and so does a link to set a password. `account`: as it was before. */
export function disablePerson(
  dependencies: DisablePersonDependencies,
  { actor, person }: PersonFacts,
): Promise<{ ok: true; account: Account } | UnknownPerson | PersonGone> {
  const { accounts, activations, sessions, notices, clock } = dependencies
  return withPerson(dependencies, person, async (account) => {
    const mails = notices.of('account-disabled', account, { time: clock.now() })
    await accounts.setDisabled(account.id, true, changeBy(actor, 'user.disabled', { account, mails }))
    await activations.revoke(account.id)
    await sessions.endAll(account.id)
    return { ok: true, account }
  })
}
