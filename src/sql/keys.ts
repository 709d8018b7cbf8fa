import { type Kysely, sql } from 'kysely'
import type { Sealer } from '../kernel/secrets.ts'
import type { KeyStore, SigningKey } from '../provider/key-store.ts'
import type { Database } from './database.ts'
import { createSealed } from './sealed.ts'
import type { SigningKeyRow, Tables } from './tables.ts'

const FIRST_KEYS_LOCK = 7_836_104_226

export function createSqlKeys(db: Database, dependencies: { sealer: Sealer }): KeyStore {
  const { seal, open } = createSealed({ sealer: dependencies.sealer, log: db.log })

  async function list(connection: Kysely<Tables>): Promise<SigningKey[]> {
    const rows = await connection.selectFrom('signing_keys').selectAll().orderBy('created_at').orderBy('kid').execute()
    return rows.map((row) => ({
      kid: row.kid,
      alg: row.alg as SigningKey['alg'],
      jwk: open(row.jwk, placeOf(row)) as SigningKey['jwk'],
      status: row.status as SigningKey['status'],
      createdAt: row.created_at,
    }))
  }

  function toRow({ kid, alg, jwk, status, createdAt }: SigningKey): SigningKeyRow {
    return { kid, alg, status, jwk: seal(jwk, placeOf({ kid, alg })), created_at: createdAt }
  }

  return {
    list: () => list(db.kysely),
    insertIfEmpty: (keys) =>
      db.transaction(async (transaction) => {
        // SQLite runs one transaction at a time anyway.
        if (db.kind === 'postgres') await sql`select pg_advisory_xact_lock(${FIRST_KEYS_LOCK})`.execute(transaction)
        const stored = await list(transaction)
        if (stored.length > 0 || keys.length === 0) return stored
        await transaction.insertInto('signing_keys').values(keys.map(toRow)).execute()
        return await list(transaction)
      }),
  }
}

function placeOf({ kid, alg }: { kid: string; alg: string }): string[] {
  return ['signing_keys', 'jwk', kid, alg]
}
