import { randomUUID } from 'node:crypto'
import type { ExpressionBuilder, Transaction, UpdateObject } from 'kysely'
import { type Account, loginKey } from '../accounts/account.ts'
import {
  type AccountAdmin,
  type AccountChanges,
  AccountGoneError,
  LoginTakenError,
  type NewAccount,
} from '../accounts/account-store.ts'
import type { Hasher } from '../accounts/passwords.ts'
import type { Change } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import type { Database } from './database.ts'
import type { AccountRow, Tables } from './tables.ts'

/** Of 16 columns: both databases limit the values of a statement, SQLite to 32 766. */
const ROWS_AT_ONCE = 500
const KEYS_AT_ONCE = 5000

export interface SqlAccountDependencies {
  hasher: Hasher
  clock: Clock
  /** Types whose bindings are the address itself: they end when it changes. */
  boundToAddress?: readonly string[]
}

export function createSqlAccounts(db: Database, dependencies: SqlAccountDependencies): AccountAdmin {
  const { kysely } = db
  const { hasher, clock, boundToAddress = [] } = dependencies

  const byId = kysely.selectFrom('accounts').selectAll().where('id', '=', '').compile()
  const byLogin = kysely
    .selectFrom('logins')
    .innerJoin('accounts', 'accounts.id', 'logins.account_id')
    .selectAll('accounts')
    .where('logins.key', '=', '')
    .compile()

  async function rowOfLogin(login: string): Promise<AccountRow | undefined> {
    return (await kysely.executeQuery<AccountRow>({ ...byLogin, parameters: [loginKey(login)] })).rows[0]
  }

  /** A change of one row with its audit row. */
  function change(id: string, audit: Change, set: (row: Columns) => Changes): Promise<void> {
    return db.transaction(async (transaction) => {
      const { numUpdatedRows } = await transaction
        .updateTable('accounts')
        .set((row) => ({ ...set(row), updated_at: clock.now() }))
        .where('id', '=', id)
        .executeTakeFirstOrThrow()
      if (numUpdatedRows === 0n) throw new AccountGoneError()
      await db.writeAudit(transaction, audit)
    })
  }

  /** A better hash of the same password, unless somebody set another one meanwhile. No epoch moves: nothing changed for its owner. */
  async function renewHash(row: AccountRow, password: string): Promise<void> {
    try {
      const renewed = await hasher.hash(password)
      await db.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('accounts')
          .set({ password_hash: renewed })
          .where('id', '=', row.id)
          .where('password_hash', '=', row.password_hash)
          .executeTakeFirstOrThrow()
        if (numUpdatedRows === 0n) return
        await db.writeAudit(transaction, { event: 'password.rehashed', outcome: 'ok', account: row.id })
      })
    } catch (error) {
      // The password was right, and the next sign-in tries again.
      if (!(error instanceof UnavailableError)) throw error
    }
  }

  async function authenticateAs(row: AccountRow | undefined, password: string): Promise<Account | undefined> {
    const hash = row?.password_hash ?? undefined
    const right = await hasher.verify(hash, password)
    if (!right || row === undefined || hash === undefined) return undefined
    if (hasher.outdated(hash)) await renewHash(row, password)
    return toAccount(row)
  }

  return {
    async find(id) {
      const [row] = (await kysely.executeQuery<AccountRow>({ ...byId, parameters: [id] })).rows
      return row && toAccount(row)
    },
    async findByLogin(login) {
      const row = await rowOfLogin(login)
      return row && toAccount(row)
    },
    async claimant(login) {
      const row = await rowOfLogin(login)
      return {
        accountId: row?.id,
        key: row?.id ?? loginKey(login),
        authenticate: (password) => authenticateAs(row, password),
      }
    },
    authenticate: async (login, password) => authenticateAs(await rowOfLogin(login), password),
    insert: (account, audit) =>
      db.transaction(async (transaction) => {
        const inserted = await insertAccount(transaction, account, clock.now())
        await db.writeAudit(transaction, { ...audit, account: inserted.id })
        return inserted
      }),
    insertMany: (entries, progress) =>
      db.transaction(async (transaction) => {
        for (const [index, part] of chunks(entries, ROWS_AT_ONCE).entries()) {
          const rows = part.map(({ account }) => newRow(account, clock.now()))
          await transaction.insertInto('accounts').values(rows).execute()
          await claim(transaction, rows.flatMap(claimsOf))
          const audits = part.map(({ audit }, place) => ({ ...audit, account: rows[place]?.id }))
          await db.writeAudit(transaction, ...audits)
          progress?.(index * ROWS_AT_ONCE + part.length)
        }
      }),
    async taken(logins) {
      const found = new Set<string>()
      for (const keys of chunks(logins.map(loginKey), KEYS_AT_ONCE)) {
        const rows = await kysely.selectFrom('logins').select('key').where('key', 'in', keys).execute()
        for (const { key } of rows) found.add(key)
      }
      return found
    },
    update: (id, changes, audit) =>
      db.transaction(async (transaction) => {
        // Writing first takes the row: whoever else changes this account waits.
        const before = await transaction
          .updateTable('accounts')
          .set({ updated_at: clock.now() })
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirst()
        if (before === undefined) return undefined
        const after = changed(before, changes)
        await moveLogins(transaction, before, after)
        if (after.email !== before.email && boundToAddress.length > 0) {
          await transaction
            .deleteFrom('bindings')
            .where('account_id', '=', id)
            .where('type', 'in', boundToAddress)
            .execute()
        }
        const { id: _, ...columns } = after
        await transaction.updateTable('accounts').set(columns).where('id', '=', id).execute()
        await db.writeAudit(transaction, audit)
        return toAccount(after)
      }),
    setPassword: (id, passwordHash, audit) => change(id, audit, (row) => withPassword(row, passwordHash)),
    replacePassword: (id, { passwordHash, epoch }, audit) =>
      db.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('accounts')
          .set((row) => ({ ...withPassword(row, passwordHash), updated_at: clock.now() }))
          .where('id', '=', id)
          .where('password_epoch', '=', epoch)
          .executeTakeFirstOrThrow()
        if (numUpdatedRows === 0n) return false
        await db.writeAudit(transaction, audit)
        return true
      }),
    setDisabled: (id, disabled, audit) =>
      change(id, audit, (row) => ({ disabled: Number(disabled), session_epoch: row('session_epoch', '+', 1) })),
    endEverything: (id, audit) =>
      change(id, audit, (row) => ({
        session_epoch: row('session_epoch', '+', 1),
        factor_epoch: row('factor_epoch', '+', 1),
      })),
    remove: (id, audit) =>
      db.transaction(async (transaction) => {
        // Logins, bindings and counters go with it by their foreign keys.
        const { numDeletedRows } = await transaction
          .deleteFrom('accounts')
          .where('id', '=', id)
          .executeTakeFirstOrThrow()
        if (numDeletedRows === 0n) throw new AccountGoneError()
        await db.writeAudit(transaction, audit)
      }),
    async list({ after, limit } = {}) {
      let query = kysely.selectFrom('accounts').selectAll().orderBy('login_key')
      if (after !== undefined) query = query.where('login_key', '>', loginKey(after))
      if (limit !== undefined) query = query.limit(limit)
      return (await query.execute()).map(toAccount)
    },
    async count() {
      const row = await kysely
        .selectFrom('accounts')
        .select(({ fn }) => fn.countAll<number>().as('count'))
        .executeTakeFirstOrThrow()
      return row.count
    },
    async withoutEmail() {
      const rows = await kysely
        .selectFrom('accounts')
        .selectAll()
        .where('email', 'is', null)
        .where('disabled', '=', 0)
        .orderBy('login_key')
        .execute()
      return rows.map(toAccount)
    },
  }
}

/** Throws `LoginTakenError`; the caller writes the audit row. */
export async function insertAccount(
  transaction: Transaction<Tables>,
  account: NewAccount & { emailVerified?: boolean },
  now: number,
): Promise<Account> {
  const row = newRow(account, now)
  await transaction.insertInto('accounts').values(row).execute()
  await claim(transaction, claimsOf(row))
  return toAccount(row)
}

type Columns = ExpressionBuilder<Tables, 'accounts'>
type Changes = UpdateObject<Tables, 'accounts'>

/** Whatever was begun with the password before is dead (PW-12). */
function withPassword(row: Columns, passwordHash: string): Changes {
  return {
    password_hash: passwordHash,
    password_epoch: row('password_epoch', '+', 1),
    session_epoch: row('session_epoch', '+', 1),
  }
}

function newRow(account: NewAccount & { emailVerified?: boolean }, now: number): AccountRow {
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

function changed(row: AccountRow, changes: AccountChanges): AccountRow {
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

function toAccount(row: AccountRow): Account {
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

/** Key → the name or address as it was typed; one entry where both are the same. */
type Logins = Map<string, string>

function loginsOf({ username, email }: AccountRow): Logins {
  const typed = email === null ? [username] : [username, email]
  return new Map(typed.map((login) => [loginKey(login), login]))
}

async function moveLogins(transaction: Transaction<Tables>, before: AccountRow, after: AccountRow): Promise<void> {
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

interface Claim {
  key: string
  login: string
  accountId: string
}

function claimsOf(row: AccountRow): Claim[] {
  return [...loginsOf(row)].map(([key, login]) => ({ key, login, accountId: row.id }))
}

/** Throws `LoginTakenError` when another account has one of them. */
async function claim(transaction: Transaction<Tables>, claims: readonly Claim[]): Promise<void> {
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

function chunks<T>(items: readonly T[], size: number): T[][] {
  const starts = Array.from({ length: Math.ceil(items.length / size) }, (_, index) => index * size)
  return starts.map((start) => items.slice(start, start + size))
}
