import type { Clock } from '../kernel/clock.ts'
import type { Mail } from '../kernel/mail.ts'
import { createSortableIds } from '../kernel/sortable-id.ts'
import type { Outbox, WaitingMail } from '../mail/outbox.ts'
import type { Database } from './database.ts'
import { outboxRows } from './outbox-row.ts'
import type { OutboxRow } from './tables.ts'

export function createSqlOutbox(db: Database, { clock }: { clock: Clock }): Outbox {
  const { kysely } = db
  const nextId = createSortableIds(clock)

  /** Undefined for whoever is too late: the condition and the new hold are one statement. */
  function hold(row: Pick<OutboxRow, 'id' | 'held_until'>, until: number): Promise<OutboxRow | undefined> {
    return kysely
      .updateTable('outbox')
      .set((column) => ({ held_until: until, tries: column('tries', '+', 1) }))
      .where('id', '=', row.id)
      .where('held_until', '=', row.held_until)
      .returningAll()
      .executeTakeFirst()
  }

  return {
    async add(mails) {
      if (mails.length === 0) return
      await kysely
        .insertInto('outbox')
        .values(outboxRows(mails, { nextId, now: clock.now() }))
        .execute()
    },
    async claim(limit, lease) {
      const now = clock.now()
      const due = await kysely
        .selectFrom('outbox')
        .select(['id', 'held_until'])
        .where('due_at', '<=', now)
        .where('held_until', '<=', now)
        .orderBy('id')
        .limit(limit)
        .execute()
      const held = await Promise.all(due.map((row) => hold(row, now + lease)))
      return held.filter((row) => row !== undefined).map(waitingMail)
    },
    async remove(id) {
      await kysely.deleteFrom('outbox').where('id', '=', id).execute()
    },
    async postpone(id, at) {
      await kysely.updateTable('outbox').set({ due_at: at, held_until: 0 }).where('id', '=', id).execute()
    },
    async hasten() {
      const now = clock.now()
      await kysely.updateTable('outbox').set({ due_at: now }).where('due_at', '>', now).execute()
    },
    async waiting() {
      const row = await kysely
        .selectFrom('outbox')
        .select(({ fn }) => [fn.countAll<number>().as('count'), fn.min<number | null>('created_at').as('oldest')])
        .executeTakeFirstOrThrow()
      return { count: row.count, oldest: row.oldest ?? undefined }
    },
  }
}

function waitingMail({ id, recipient, template, locale, data, account, tries, created_at }: OutboxRow): WaitingMail {
  const facts = JSON.parse(data) as Mail['data']
  const mail = { id, to: recipient, template, locale, data: facts, account: account ?? undefined }
  return { id, mail, tries: tries - 1, createdAt: created_at }
}
