import type { BindingIdentity } from './binding-row.ts'
import type { Database } from './database.ts'

/** Identities kept in memory; one that is not costs a read. */
const KNOWN_IDENTITIES = 10_000

export interface BindingIdentities {
  keep(identity: BindingIdentity): void
  find(id: string): Promise<BindingIdentity | undefined>
}

/** Whose a binding is never changes: remembering it leaves `replace` with one statement. */
export function createBindingIdentities(db: Database): BindingIdentities {
  const known = new Map<string, BindingIdentity>()

  function keep(identity: BindingIdentity): void {
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
