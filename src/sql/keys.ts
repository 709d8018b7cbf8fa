import { type Kysely, sql } from 'kysely'
import type { Sealer } from '../kernel/secrets.ts'
import type { KeyStore, SigningKey } from '../provider/key-store.ts'
import type { Database } from './database.ts'
import { createSealed } from './sealed.ts'
import type { SigningKeyRow, Tables } from './tables.ts'

const KEYS_LOCK = 7_836_104_226

export function createSqlKeys(db: Database, dependencies: { sealer: Sealer }): KeyStore {
  const { seal, open } = createSealed({ sealer: dependencies.sealer, log: db.log })

  async function list(connection: Kysely<Tables>): Promise<SigningKey[]> {
    const rows = await connection.selectFrom('signing_keys').selectAll().orderBy('created_at').orderBy('kid').execute()
    return rows.map((row) => ({
      kid: row.kid,
      alg: row.alg as SigningKey['alg'],
      jwk: open(row.jwk, placeOf(row)) as SigningKey['jwk'],
      createdAt: row.created_at,
    }))
  }

  function toRow({ kid, alg, jwk, createdAt }: SigningKey): SigningKeyRow {
    return { kid, alg, jwk: seal(jwk, placeOf({ kid, alg })), created_at: createdAt }
  }

  /** SQLite runs one transaction at a time anyway. */
  async function lock(transaction: Kysely<Tables>): Promise<void> {
    if (db.kind === 'postgres') await sql`select pg_advisory_xact_lock(${KEYS_LOCK})`.execute(transaction)
  }

  return {
    list: () => list(db.kysely),
    insertIfEmpty: (keys) =>
      db.transaction(async (transaction) => {
        await lock(transaction)
        const stored = await list(transaction)
        if (stored.length > 0 || keys.length === 0) return stored
        await transaction.insertInto('signing_keys').values(keys.map(toRow)).execute()
        return await list(transaction)
      }),
    add: (keys, { beside, audit }) =>
      db.transaction(async (transaction) => {
        await lock(transaction)
        const rows = await transaction.selectFrom('signing_keys').select('kid').execute()
        const stored = rows.map(({ kid }) => kid).sort()
        if (stored.join(' ') !== beside.toSorted().join(' ')) return false
        await transaction.insertInto('signing_keys').values(keys.map(toRow)).execute()
        await db.writeAudit(transaction, audit)
        return true
      }),
    async remove(kids) {
      if (kids.length === 0) return
      await db.kysely
        .deleteFrom('signing_keys')
        .where('kid', 'in', [...kids])
        .execute()
    },
  }
}

function placeOf({ kid, alg }: { kid: string; alg: string }): string[] {
  return ['signing_keys', 'jwk', kid, alg]
}
