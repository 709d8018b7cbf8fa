import type { Transaction } from 'kysely'
import type { Binding } from '../mfa/factors/binding-store.ts'
import type { Sealed } from './sealed.ts'
import type { BindingRow, Tables } from './tables.ts'

/** Whose binding it is, and of what type: a record is sealed for its identity and cannot be moved to another one. */
export interface BindingIdentity {
  id: string
  accountId: string
  type: string
}

export function placeOf({ id, accountId, type }: BindingIdentity): string[] {
  return ['bindings', 'record', id, accountId, type]
}

export function identityOf(row: BindingRow): BindingIdentity {
  return { id: row.id, accountId: row.account_id, type: row.type }
}

/** Throws when the record cannot be opened. */
export function toBinding(row: BindingRow, { open }: Pick<Sealed, 'open'>): Binding {
  const identity = identityOf(row)
  return {
    ...identity,
    label: row.label ?? undefined,
    record: open(row.record, placeOf(identity)),
    version: row.version,
    boundAt: row.bound_at,
    lastUsedAt: row.last_used_at ?? undefined,
  }
}

/**
 * False when there is one with this id. The caller has made sure that there is room, raises the epoch and writes the
 * audit row.
 */
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
