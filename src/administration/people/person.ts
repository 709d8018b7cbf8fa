import type { Account } from '../../accounts/account.ts'
import { AccountGoneError, type AccountStore } from '../../accounts/account-store.ts'
import type { Actor } from '../actor.ts'
import type { NotDone } from '../not-done.ts'

/** Whom a deed is meant for: who signs in by this name or address, or the account with this id. */
export type PersonRef = { login: string } | { id: string }

/** What every deed is told that is done to somebody. */
export interface PersonFacts {
  actor: Actor
  person: PersonRef
}

export type UnknownPerson = NotDone<'unknown-person'>

/** Somebody else removed the account in this moment. */
export type PersonGone = NotDone<'gone'>

export interface PersonDependencies {
  accounts: Pick<AccountStore, 'find' | 'findByLogin'>
}

/** Does the work for the account that is meant, if there is one. */
export async function withPerson<Outcome>(
  { accounts }: PersonDependencies,
  person: PersonRef,
  work: (account: Account) => Promise<Outcome>,
): Promise<Outcome | UnknownPerson | PersonGone> {
  const account = await ('id' in person ? accounts.find(person.id) : accounts.findByLogin(person.login))
  if (account === undefined) return { ok: false, reason: 'unknown-person' }
  try {
    return await work(account)
  } catch (error) {
    if (error instanceof AccountGoneError) return { ok: false, reason: 'gone' }
    throw error
  }
}
