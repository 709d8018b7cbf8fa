import type { Kysely, Transaction } from 'kysely'
import { loginKey } from '../accounts/account.ts'
import { LoginTakenError } from '../accounts/account-store.ts'
import { chunks } from './chunks.ts'
import type { AccountRow, Tables } from './tables.ts'

const KEYS_AT_ONCE = 5000

/** Key → the name or address as it was typed; one entry where both are the same. */
type Logins = Map<string, string>

function loginsOf({ username, email }: AccountRow): Logins {
  const typed = email === null ? [username] : [username, email]
  return new Map(typed.map((login) => [loginKey(login), login]))
}

/** Gives up the names that an account has no longer, and claims those that are new. */
export async function moveLogins(
  transaction: Transaction<Tables>,
  before: AccountRow,
  after: AccountRow,
): Promise<void> {
  const [old, current] = [loginsOf(before), loginsOf(after)]
  const freed = [...old.keys()].filter((key) => !current.has(key))
  if (freed.length > 0) {
    await transaction.deleteFrom('logins').where('account_id', '=', before.id).where('key', 'in', freed).execute()
  }
  await claim(
    transaction,
    claimsOf(after).filter(({ key }) => !old.has(key)),
  )
}

export interface Claim {
  key: string
  login: string
  accountId: string
}

export function claimsOf(row: AccountRow): Claim[] {
  return [...loginsOf(row)].map(([key, login]) => ({ key, login, accountId: row.id }))
}

/** Throws `LoginTakenError` when another account has one of them; all of them are claimed otherwise. */
export async function claim(transaction: Transaction<Tables>, claims: readonly Claim[]): Promise<void> {
  if (claims.length === 0) return
  // In one order for all, so that two accounts claiming the same names do not wait for each other.
  const sorted = claims.toSorted((left, right) => (left.key < right.key ? -1 : 1))
  const claimed = await transaction
    .insertInto('logins')
    .values(sorted.map(({ key, accountId }) => ({ key, account_id: accountId })))
    .onConflict((conflict) => conflict.column('key').doNothing())
    .returning(['key', 'account_id'])
    .execute()
  const owners = new Map(claimed.map(({ key, account_id }) => [key, account_id]))
  for (const { key, login, accountId } of claims) if (owners.get(key) !== accountId) throw new LoginTakenError(login)
}

/** Those of these names and addresses that somebody signs in with, as keys. */
export async function takenLogins(kysely: Kysely<Tables>, logins: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>()
  for (const keys of chunks(logins.map(loginKey), KEYS_AT_ONCE)) {
    const rows = await kysely.selectFrom('logins').select('key').where('key', 'in', keys).execute()
    for (const { key } of rows) found.add(key)
  }
  return found
}
