import { messageOf, UnavailableError } from '../kernel/errors.ts'
import type { AuditEventName, AuditRecord, AuditStore } from './audit.ts'

/** What the store refuses although it takes other records, and why. */
export interface RefusedRecord {
  event: AuditEventName
  reason: string
}

/**
 * Writes a batch and answers what the store refuses of it: such a record must not stand in the way of the others.
 * Throws when the store is down or takes none of them: then all are to be written later.
 */
export async function appendAll(store: AuditStore, records: AuditRecord[]): Promise<RefusedRecord[]> {
  try {
    await store.append(records)
    return []
  } catch (error) {
    if (error instanceof UnavailableError || records.length === 1) throw error
    const refused = await appendOneByOne(store, records)
    if (refused.length === records.length) throw error
    return refused.map(({ event }) => ({ event, reason: messageOf(error) }))
  }
}

async function appendOneByOne(store: AuditStore, records: AuditRecord[]): Promise<AuditRecord[]> {
  const refused: AuditRecord[] = []
  for (const record of records) {
    try {
      await store.append([record])
    } catch (error) {
      if (error instanceof UnavailableError) throw error
      refused.push(record)
    }
  }
  return refused
}
