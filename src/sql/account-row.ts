import { randomUUID } from 'node:crypto'
import { type Account, loginKey } from '../accounts/account.ts'
import type { AccountChanges, NewAccount } from '../accounts/account-store.ts'
import type { AccountRow } from './tables.ts'

export function newRow(account: NewAccount & { emailVerified?: boolean }, now: number): AccountRow {
  const { username, email, emailVerified, name, groups, admin, passwordHash } = account
  return {
    id: randomUUID(),
    username,
    login_key: loginKey(username),
    email: email ?? null,
    email_verified: Number(emailVerified ?? false),
    name: name ?? null,
    groups: JSON.stringify(groups ?? []),
    admin: Number(admin ?? false),
    locale: null,
    disabled: 0,
    password_hash: passwordHash ?? null,
    password_epoch: 0,
    factor_epoch: 0,
    session_epoch: 0,
    created_at: now,
    updated_at: now,
  }
}

/**
 * The row after a change. Another address than before moves the factor and session epochs, and is verified only if that
 * is said with it; `verifiedEmail` marks an address that is still the same.
 */
export function changedRow(row: AccountRow, changes: AccountChanges): AccountRow {
  const given = <T>(value: T | undefined, before: T): T => (value === undefined ? before : value)
  const email = given(changes.email, row.email)
  const moved = email !== row.email
  const proved = email !== null && changes.verifiedEmail === email
  const verified = email !== null && (proved || given(changes.emailVerified, !moved && row.email_verified === 1))
  return {
    ...row,
    email,
    email_verified: Number(verified),
    factor_epoch: row.factor_epoch + Number(moved),
    session_epoch: row.session_epoch + Number(moved),
    name: given(changes.name, row.name),
    groups: changes.groups === undefined ? row.groups : JSON.stringify(changes.groups),
    admin: Number(given(changes.admin, row.admin === 1)),
    locale: given(changes.locale, row.locale),
  }
}

export function toAccount(row: AccountRow): Account {
  return {
    id: row.id,
    username: row.username,
    email: row.email ?? undefined,
    emailVerified: row.email_verified === 1,
    name: row.name ?? undefined,
    groups: JSON.parse(row.groups) as string[],
    admin: row.admin === 1,
    locale: row.locale ?? undefined,
    disabled: row.disabled !== 0,
    passwordEpoch: row.password_epoch,
    factorEpoch: row.factor_epoch,
    sessionEpoch: row.session_epoch,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
