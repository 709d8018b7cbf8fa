import type { Kysely, Transaction } from 'kysely'
import type { Sealer } from '../kernel/secrets.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import { createBindingAttempts } from './binding-attempts.ts'
import { createBindingIdentities } from './binding-identities.ts'
import { createBindingManagement } from './binding-management.ts'
import { identityOf, insertBinding, placeOf, toBinding } from './binding-row.ts'
import type { Database } from './database.ts'
import { lockAccount, raiseEpochs } from './factor-epochs.ts'
import { createSealed } from './sealed.ts'
import type { BindingRow, Tables } from './tables.ts'

/** Bindings in the tables `bindings` and `attempts`, their records sealed. */
export function createSqlBindings(db: Database, dependencies: { sealer: Sealer }): BindingStore {
  const { kysely } = db
  const sealed = createSealed({ sealer: dependencies.sealer, log: db.log })
  const identities = createBindingIdentities(db)

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
        identities.keep(identityOf(row))
        return toBinding(row, sealed)
      })
    },
    insert: (binding, { maxOfType, audit, endsSignIns }) =>
      db.transaction(async (transaction) => {
        const { accountId, type } = binding
        await lockAccount(transaction, accountId)
        if ((await countOf(transaction, accountId, type)) >= maxOfType) return false
        if (!(await insertBinding(transaction, binding, sealed))) return false
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
          .set({ record: sealed.seal(record, placeOf(identity)), last_used_at: lastUsedAt, version: expected + 1 })
          .where('id', '=', id)
          .where('version', '=', expected)
          .executeTakeFirstOrThrow()
        return numUpdatedRows === 1n
      }
      // A use that nobody is told of is one statement; any other takes the account's row first.
      if (audit === undefined && ends === undefined) return write(kysely)
      return db.transaction(async (transaction) => {
        await lockAccount(transaction, identity.accountId)
        if (!(await write(transaction))) return false
        if (ends !== undefined) await raiseEpochs(transaction, identity.accountId)
        await db.writeAudit(transaction, ...[audit, ends].filter((change) => change !== undefined))
        return true
      })
    },
    ...createBindingManagement(db),
    ...createBindingAttempts(db),
  }
}

async function countOf(transaction: Transaction<Tables>, accountId: string, type: string): Promise<number> {
  const { bound } = await transaction
    .selectFrom('bindings')
    .select(({ fn }) => fn.countAll<number>().as('bound'))
    .where('account_id', '=', accountId)
    .where('type', '=', type)
    .executeTakeFirstOrThrow()
  return bound
}
