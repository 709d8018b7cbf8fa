import type { Mail } from '../kernel/mail.ts'
import type { OutboxRow } from './tables.ts'

export function outboxRows(
  mails: readonly Mail[],
  { nextId, now }: { nextId: () => string; now: number },
): OutboxRow[] {
  return mails.map(({ to, template, locale, data, account }) => ({
    id: nextId(),
    recipient: to,
    template,
    locale,
    data: JSON.stringify(data),
    created_at: now,
    due_at: now,
    held_until: 0,
    tries: 0,
    account: account ?? null,
  }))
}
