import type { Account } from '../../accounts/account.ts'
import type { AccountAdmin } from '../../accounts/account-store.ts'
import type { PasswordLinks } from '../../accounts/password-links.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { Notices } from '../../mail/notices.ts'
import type { Sessions } from '../../mfa/session/sessions.ts'
import { type Actor, changeBy } from '../actor.ts'
import {
  type AskForPassword,
  askForHash,
  type PasswordRefused,
  type PasswordSettingDependencies,
} from './new-password.ts'
import { type PersonDependencies, type PersonFacts, type PersonGone, type UnknownPerson, withPerson } from './person.ts'

export interface ReplacePasswordDependencies {
  accounts: Pick<AccountAdmin, 'setPassword'>
  sessions: Pick<Sessions, 'endAll'>
  notices: Notices
  clock: Clock
}

/** The password is another one from now on: its owner is told, and every session ends. */
export async function replacePassword(
  { accounts, sessions, notices, clock }: ReplacePasswordDependencies,
  { actor, account, hash }: { actor: Actor; account: Account; hash: string },
): Promise<void> {
  const mails = notices.of('password-changed', account, { time: clock.now() })
  await accounts.setPassword(account.id, hash, changeBy(actor, 'password.changed', { account, mails }))
  await sessions.endAll(account.id)
}

export interface SetPasswordDependencies
  extends ReplacePasswordDependencies,
    PasswordSettingDependencies,
    PersonDependencies {
  accounts: ReplacePasswordDependencies['accounts'] & PersonDependencies['accounts']
  activations: Pick<PasswordLinks, 'revoke'>
}

/** Sets the password that the administrator has chosen; a link that was given before is dead. */
export function setPassword(
  dependencies: SetPasswordDependencies,
  { actor, person, password }: PersonFacts & { password: AskForPassword },
): Promise<{ ok: true; account: Account } | UnknownPerson | PersonGone | PasswordRefused> {
  return withPerson(dependencies, person, async (account) => {
    const asked = await askForHash(dependencies, password, account)
    if (!asked.ok) return asked
    await dependencies.activations.revoke(account.id)
    await replacePassword(dependencies, { actor, account, hash: asked.hash })
    return { ok: true, account }
  })
}
