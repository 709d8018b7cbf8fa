import type { Clock } from '../kernel/clock.ts'
import { createSortableIds } from '../kernel/sortable-id.ts'
import type { Mail } from '../mail/mailer.ts'
import type { Outbox } from '../mail/outbox.ts'
import type { Database } from './database.ts'
import { outboxRows } from './outbox-row.ts'

export function createSqlOutbox(db: Database, { clock }: { clock: Clock }): Outbox {
  const nextId = createSortableIds(clock)
  return {
    async add(mails) {
      if (mails.length === 0) return
      await db.kysely
        .insertInto('outbox')
        .values(outboxRows(mails, { nextId, now: clock.now() }))
        .execute()
    },
    claim: (limit, lease) =>
      db.transaction(async (transaction) => {
        const now = clock.now()
        const due = await transaction
          .selectFrom('outbox')
          .selectAll()
          .where('due_at', '<=', now)
          .orderBy('id')
          .limit(limit)
          .execute()
        const claimed = []
        for (const row of due) {
          // Whoever moves it first has it.
          const { numUpdatedRows } = await transaction
            .updateTable('outbox')
            .set({ due_at: now + lease, tries: row.tries + 1 })
            .where('id', '=', row.id)
            .where('due_at', '=', row.due_at)
            .executeTakeFirstOrThrow()
          if (numUpdatedRows === 0n) continue
          const { recipient: to, template, locale } = row
          const mail: Mail = { to, template, locale, data: JSON.parse(row.data) as Mail['data'] }
          claimed.push({ id: row.id, mail, tries: row.tries, createdAt: row.created_at })
        }
        return claimed
      }),
    async remove(id) {
      await db.kysely.deleteFrom('outbox').where('id', '=', id).execute()
    },
    async postpone(id, at) {
      await db.kysely.updateTable('outbox').set({ due_at: at }).where('id', '=', id).execute()
    },
    async waiting() {
      const row = await db.kysely
        .selectFrom('outbox')
        .select(({ fn }) => [fn.countAll<number>().as('count'), fn.min<number | null>('created_at').as('oldest')])
        .executeTakeFirstOrThrow()
      return { count: row.count, oldest: row.oldest ?? undefined }
    },
  }
}
