import type { Transaction } from 'kysely'
import type { Clock } from '../kernel/clock.ts'
import { randomToken, type Sealer } from '../kernel/secrets.ts'
import type { SetupDecision, SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
import { insertAccount } from './account-inserts.ts'
import { insertBinding } from './binding-row.ts'
import type { Database } from './database.ts'
import { createSealed } from './sealed.ts'
import type { Tables } from './tables.ts'

const NAME = 'mfa.answer'

export function createSqlSetupDecisions(
  db: Database,
  dependencies: { sealer: Sealer; clock: Clock },
): SetupDecisionStore {
  const { clock } = dependencies
  const sealed = createSealed({ sealer: dependencies.sealer, log: db.log })

  return {
    async get() {
      const row = await db.kysely.selectFrom('settings').select('value').where('name', '=', NAME).executeTakeFirst()
      return row && (JSON.parse(row.value) as SetupDecision)
    },
    replace: (before, answer, audit) =>
      db.transaction(async (transaction) => {
        const written =
          before === undefined
            ? await first(transaction, textOf(answer))
            : await exchanged(transaction, textOf(before), textOf(answer))
        if (written) await db.writeAudit(transaction, audit)
        return written
      }),
    finish: (answer, { binding, emailVerified = false, ...account }, audits) =>
      db.transaction(async (transaction) => {
        // Whoever writes the answer makes the administrator: nobody else does afterwards.
        if (!(await first(transaction, textOf(answer)))) return undefined
        const made = await insertAccount(transaction, { ...account, emailVerified }, clock.now())
        if (binding !== undefined) {
          const row = { id: randomToken(16), accountId: made.id, label: undefined, boundAt: clock.now(), ...binding }
          await insertBinding(transaction, row, sealed)
        }
        await db.writeAudit(transaction, ...audits.map((audit) => ({ ...audit, account: made.id })))
        return made
      }),
  }
}

/** Written as it is compared. */
function textOf({ enabled, by, at }: SetupDecision): string {
  return JSON.stringify({ enabled, by, at })
}

async function first(transaction: Transaction<Tables>, value: string): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await transaction
    .insertInto('settings')
    .values({ name: NAME, value })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .executeTakeFirstOrThrow()
  return numInsertedOrUpdatedRows === 1n
}

async function exchanged(transaction: Transaction<Tables>, before: string, value: string): Promise<boolean> {
  const { numUpdatedRows } = await transaction
    .updateTable('settings')
    .set({ value })
    .where('name', '=', NAME)
    .where('value', '=', before)
    .executeTakeFirstOrThrow()
  return numUpdatedRows === 1n
}
