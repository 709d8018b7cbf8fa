import type { Account } from '../../accounts/account.ts'
import type { AccountAdmin, AccountChanges } from '../../accounts/account-store.ts'
import type { Mail } from '../../kernel/mail.ts'
import { masked } from '../../mail/address.ts'
import { changeBy } from '../actor.ts'
import type { NotDone } from '../not-done.ts'
import { type InvalidField, type PersonFields, parseFields } from './fields.ts'
import { type LoginTaken, unlessTaken } from './login-taken.ts'
import { type AskForPassword, askForHash, type PasswordRefused } from './new-password.ts'
import { type PersonFacts, type PersonGone, type UnknownPerson, withPerson } from './person.ts'
import { replacePassword, type SetPasswordDependencies } from './set-password.ts'

export interface EditPersonDependencies extends SetPasswordDependencies {
  accounts: SetPasswordDependencies['accounts'] & Pick<AccountAdmin, 'update'>
}

/** What is absent stays as it is; null removes it. */
export interface PersonChanges {
  email?: string | null
  name?: string | null
  groups?: readonly string[]
  admin?: boolean
}

export interface EditPersonFacts extends PersonFacts {
  changes: PersonChanges
  password?: AskForPassword | undefined
}

/** `account`: as it is now. `nothing`: no change was given. */
export type EditOutcome =
  | { ok: true; account: Account }
  | NotDone<'nothing'>
  | InvalidField
  | UnknownPerson
  | PersonGone
  | PasswordRefused
  | LoginTaken

/**
 * Changes what is given, the password first. With another address everything ends that was proved with the one before;
 * a name that is taken is found out after the password was set.
 */
export async function editPerson(dependencies: EditPersonDependencies, facts: EditPersonFacts): Promise<EditOutcome> {
  const { accounts, activations, sessions } = dependencies
  const { actor, person, changes: given, password } = facts
  const parsed = parseFields({ email: given.email ?? undefined, name: given.name ?? undefined, groups: given.groups })
  if (!parsed.ok) return parsed
  const changes = changesOf(given, parsed.fields)
  const changed = Object.keys(changes)
  if (changed.length === 0 && password === undefined) return { ok: false, reason: 'nothing' }
  return withPerson(dependencies, person, async (account): Promise<EditOutcome> => {
    if (password !== undefined) {
      const asked = await askForHash(dependencies, password, account)
      if (!asked.ok) return asked
      await replacePassword(dependencies, { actor, account, hash: asked.hash })
    }
    // A link that was given before may be in other hands now (PW-16).
    if (password !== undefined || changes.email !== undefined) await activations.revoke(account.id)
    return unlessTaken(async () => {
      const mails = addressMails(dependencies, account, changes)
      const after =
        changed.length === 0
          ? await accounts.find(account.id)
          : await accounts.update(
              account.id,
              changes,
              changeBy(actor, 'user.changed', { account, details: { changed }, mails }),
            )
      if (after === undefined) return { ok: false, reason: 'gone' }
      // The sessions have ended with the address; relying parties are told.
      if (after.email !== account.email) await sessions.endAll(account.id)
      return { ok: true, account: after }
    })
  })
}

/** In this order the audit row names what changes. */
function changesOf(given: PersonChanges, { email, name, groups }: PersonFields): AccountChanges {
  return {
    ...(given.email !== undefined && { email: email ?? null }),
    ...(given.name !== undefined && { name: name ?? null }),
    ...(groups !== undefined && { groups: [...groups] }),
    ...(given.admin !== undefined && { admin: given.admin }),
  }
}

/** The address before the change is told too (C7): who took an account over would read only the new one. */
function addressMails(
  { notices, clock }: Pick<EditPersonDependencies, 'notices' | 'clock'>,
  account: Account,
  { email }: AccountChanges,
): Mail[] {
  if (email === undefined || (email ?? undefined) === account.email) return []
  return notices.of(
    'address-changed',
    { ...account, email: email ?? undefined },
    { time: clock.now(), also: account.email, ...(email !== null && { subject: masked(email) }) },
  )
}
