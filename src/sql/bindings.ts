import type { Kysely, Transaction } from 'kysely'
import { AccountGoneError } from '../accounts/account-store.ts'
import type { Sealer } from '../kernel/secrets.ts'
import type { Binding, BindingStore } from '../mfa/factors/binding-store.ts'
import type { Database } from './database.ts'
import { createSealed, type Sealed } from './sealed.ts'
import type { BindingRow, Tables } from './tables.ts'

/** Identities kept in memory; one that is not costs `replace` a read. */
const KNOWN_IDENTITIES = 10_000

interface Identity {
  id: string
  accountId: string
  type: string
}

export function createSqlBindings(db: Database, dependencies: { sealer: Sealer }): BindingStore {
  const { kysely } = db
  const { seal, open } = createSealed({ sealer: dependencies.sealer, log: db.log })
  const identities = createIdentities(db)

  const ofAccount = kysely
    .selectFrom('bindings')
    .selectAll()
    .where('account_id', '=', '')
    .orderBy('bound_at')
    .orderBy('id')
    .compile()

  return {
    async list(accountId) {
      const { rows } = await kysely.executeQuery<BindingRow>({ ...ofAccount, parameters: [accountId] })
      return rows.map((row) => {
        const identity = { id: row.id, accountId: row.account_id, type: row.type }
        identities.keep(identity)
        return {
          ...identity,
          label: row.label ?? undefined,
          record: open(row.record, placeOf(identity)),
          version: row.version,
          boundAt: row.bound_at,
          lastUsedAt: row.last_used_at ?? undefined,
        }
      })
    },
    insert: (binding, { maxOfType, audit, endsSignIns }) =>
      db.transaction(async (transaction) => {
        const { accountId, type } = binding
        await lockAccount(transaction, accountId)
        const { bound } = await transaction
          .selectFrom('bindings')
          .select(({ fn }) => fn.countAll<number>().as('bound'))
          .where('account_id', '=', accountId)
          .where('type', '=', type)
          .executeTakeFirstOrThrow()
        if (bound >= maxOfType) return false
        if (!(await insertBinding(transaction, binding, { seal }))) return false
        await raiseEpochs(transaction, accountId, { endsSignIns })
        await db.writeAudit(transaction, audit)
        return true
      }),
    async replace(id, expected, { record, lastUsedAt, audit, ends }) {
      const identity = await identities.find(id)
      if (identity === undefined) return false
      const write = async (executor: Kysely<Tables>): Promise<boolean> => {
        const { numUpdatedRows } = await executor
          .updateTable('bindings')
          .set({ record: seal(record, placeOf(identity)), last_used_at: lastUsedAt, version: expected + 1 })
          .where('id', '=', id)
          .where('version', '=', expected)
          .executeTakeFirstOrThrow()
        return numUpdatedRows === 1n
      }
      if (audit === undefined && ends === undefined) return write(kysely)
      return db.transaction(async (transaction) => {
        await lockAccount(transaction, identity.accountId)
        if (!(await write(transaction))) return false
        if (ends !== undefined) await raiseEpochs(transaction, identity.accountId)
        await db.writeAudit(transaction, ...[audit, ends].filter((change) => change !== undefined))
        return true
      })
    },
    remove: (accountId, id, { audit, keep = [], endsSignIns }) =>
      db.transaction(async (transaction) => {
        await lockAccount(transaction, accountId)
        const all = await transaction
          .selectFrom('bindings')
          .select(['id', 'type'])
          .where('account_id', '=', accountId)
          .execute()
        const others = all.filter((row) => row.id !== id)
        if (others.length === all.length) return 'not-theirs'
        if (keep.some((types) => !others.some(({ type }) => types.includes(type)))) return 'last'
        await transaction.deleteFrom('bindings').where('id', '=', id).where('account_id', '=', accountId).execute()
        await raiseEpochs(transaction, accountId, { endsSignIns })
        await db.writeAudit(transaction, audit)
        return 'removed'
      }),
    rename: (accountId, id, { label, audit }) =>
      db.transaction(async (transaction) => {
        const { numUpdatedRows } = await transaction
          .updateTable('bindings')
          .set({ label: label ?? null })
          .where('id', '=', id)
          .where('account_id', '=', accountId)
          .executeTakeFirstOrThrow()
        if (numUpdatedRows === 0n) return false
        await db.writeAudit(transaction, audit)
        return true
      }),
    note: (accountId, id, audit) =>
      db.transaction(async (transaction) => {
        const found = await transaction
          .selectFrom('bindings')
          .select('id')
          .where('id', '=', id)
          .where('account_id', '=', accountId)
          .executeTakeFirst()
        if (found === undefined) return false
        await db.writeAudit(transaction, audit)
        return true
      }),
    removeAll: (accountId, audit) =>
      db.transaction(async (transaction) => {
        await lockAccount(transaction, accountId)
        const { numDeletedRows } = await transaction
          .deleteFrom('bindings')
          .where('account_id', '=', accountId)
          .executeTakeFirstOrThrow()
        await transaction.deleteFrom('attempts').where('account_id', '=', accountId).execute()
        await raiseEpochs(transaction, accountId, { endsSignIns: true })
        await db.writeAudit(transaction, audit)
        return Number(numDeletedRows)
      }),
    async countAttempt(accountId, type) {
      const row = await kysely
        .insertInto('attempts')
        .values({ account_id: accountId, type, failures: 1 })
        .onConflict((conflict) =>
          conflict
            .columns(['account_id', 'type'])
            .doUpdateSet(({ eb, ref }) => ({ failures: eb(ref('attempts.failures'), '+', 1) })),
        )
        .returning('failures')
        .executeTakeFirstOrThrow()
      return row.failures
    },
    async clearAttempts(accountId, type, audit) {
      const clear = async (executor: Kysely<Tables>): Promise<void> => {
        await executor.deleteFrom('attempts').where('account_id', '=', accountId).where('type', '=', type).execute()
      }
      if (audit === undefined) return clear(kysely)
      await db.transaction(async (transaction) => {
        await clear(transaction)
        await db.writeAudit(transaction, audit)
      })
    },
    async attempts(accountId) {
      const rows = await kysely
        .selectFrom('attempts')
        .select(['type', 'failures'])
        .where('account_id', '=', accountId)
        .orderBy('type')
        .execute()
      return rows.map(({ type, failures }) => ({ type, failures }))
    },
  }
}

/** False when there is one with this id. The caller has made sure that there is room, raises the epoch and writes the audit row. */
export async function insertBinding(
  transaction: Transaction<Tables>,
  binding: Omit<Binding, 'version' | 'lastUsedAt'>,
  { seal }: Pick<Sealed, 'seal'>,
): Promise<boolean> {
  const { id, accountId, type, label, record, boundAt } = binding
  const row = { id, account_id: accountId, type, label: label ?? null, version: 1 }
  const values = { ...row, record: seal(record, placeOf(binding)), bound_at: boundAt, last_used_at: null }
  const { numInsertedOrUpdatedRows } = await transaction
    .insertInto('bindings')
    .values(values)
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows !== 0n
}

function placeOf({ id, accountId, type }: Identity): string[] {
  return ['bindings', 'record', id, accountId, type]
}

/** Whose a binding is never changes: remembering it leaves `replace` with one statement. */
function createIdentities(db: Database): {
  keep(identity: Identity): void
  find(id: string): Promise<Identity | undefined>
} {
  const known = new Map<string, Identity>()

  function keep(identity: Identity): void {
    if (known.has(identity.id)) return
    const oldest = known.size < KNOWN_IDENTITIES ? undefined : known.keys().next().value
    if (oldest !== undefined) known.delete(oldest)
    known.set(identity.id, identity)
  }

  return {
    keep,
    async find(id) {
      const kept = known.get(id)
      if (kept !== undefined) return kept
      const row = await db.kysely
        .selectFrom('bindings')
        .select(['account_id', 'type'])
        .where('id', '=', id)
        .executeTakeFirst()
      return row === undefined ? undefined : { id, accountId: row.account_id, type: row.type }
    },
  }
}

/**
 * Whoever changes an account's factors has its row first. A statement that counts and writes at once would not do: PostgreSQL,
 * having waited for the row, counts in the snapshot it took before.
 */
async function lockAccount(transaction: Transaction<Tables>, accountId: string): Promise<void> {
  const { numUpdatedRows } = await transaction
    .updateTable('accounts')
    .set(({ ref }) => ({ factor_epoch: ref('factor_epoch') }))
    .where('id', '=', accountId)
    .executeTakeFirstOrThrow()
  if (numUpdatedRows === 0n) throw new AccountGoneError()
}

async function raiseEpochs(
  transaction: Transaction<Tables>,
  accountId: string,
  { endsSignIns }: { endsSignIns?: true | undefined } = {},
): Promise<void> {
  await transaction
    .updateTable('accounts')
    .set((row) => ({
      factor_epoch: row('factor_epoch', '+', 1),
      ...(endsSignIns === true && { session_epoch: row('session_epoch', '+', 1) }),
    }))
    .where('id', '=', accountId)
    .execute()
}
