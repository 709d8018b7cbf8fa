import type { AuditStore } from '../audit/audit.ts'
import { auditRecord, auditRow } from './audit-row.ts'
import type { Database } from './database.ts'

/** Rows per statement: nine parameters each, and SQLite takes 32 766. */
const CHUNK = 500

/**
 * Writing a record again, after an answer that got lost, changes nothing. `list` answers everything unless `limit` is
 * given.
 */
export function createSqlAudit(db: Database): AuditStore {
  return {
    async append(events) {
      for (let start = 0; start < events.length; start += CHUNK) {
        const rows = events.slice(start, start + CHUNK).map(auditRow)
        await db.kysely
          .insertInto('audit')
          .values(rows)
          .onConflict((conflict) => conflict.column('id').doNothing())
          .execute()
      }
    },
    async list({ account, events, since, after, order, limit }) {
      const direction = order === 'newest' ? 'desc' : 'asc'
      let query = db.kysely.selectFrom('audit').selectAll().orderBy('id', direction)
      if (account !== undefined) query = query.where('account', '=', account)
      if (events !== undefined) query = query.where('event', 'in', events)
      if (since !== undefined) query = query.where('time', '>=', since)
      if (after !== undefined) query = query.where('id', '>', after)
      if (limit !== undefined) query = query.limit(limit)
      return (await query.execute()).map(auditRecord)
    },
  }
}
