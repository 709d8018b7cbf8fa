import type { AuditEventName, Change } from '../../audit/audit.ts'
import { OWN_CLIENTS } from '../../config/own-clients.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { NoticeKind, Notices } from '../../mail/notices.ts'
import type { Binding } from '../../mfa/factors/binding-store.ts'
import type { Visitor } from '../section.ts'

/**
 * The audit row of what the visitor does to one of their factors, with the mail that tells them of it where `notice`
 * names one.
 */
export function factorChange(
  { account, ip, userAgent }: Visitor,
  { type, label }: Pick<Binding, 'type' | 'label'>,
  what: { event: AuditEventName; notice?: NoticeKind },
  { notices, clock }: { notices: Notices; clock: Clock },
): Change {
  const facts = { time: clock.now(), ip, browser: userAgent, factor: type, subject: label }
  return {
    event: what.event,
    outcome: 'ok',
    account: account.id,
    client: OWN_CLIENTS.change,
    ip,
    details: { factor: type },
    ...(what.notice !== undefined && { mails: notices.of(what.notice, account, facts) }),
  }
}
