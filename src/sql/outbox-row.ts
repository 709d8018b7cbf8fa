import type { Mail } from '../mail/mailer.ts'
import type { OutboxRow } from './tables.ts'

export function outboxRows(
  mails: readonly Mail[],
  { nextId, now }: { nextId: () => string; now: number },
): OutboxRow[] {
  return mails.map(({ to, template, locale, data }) => ({
    id: nextId(),
    recipient: to,
    template,
    locale,
    data: JSON.stringify(data),
    created_at: now,
    due_at: now,
    tries: 0,
  }))
}
