import type { AccountAdmin } from '../accounts/account-store.ts'
import type { AuditEventName, AuditRecord, AuditStore, AuditTrail } from '../audit/audit.ts'
import { OWN_CLIENTS, ownPageOf } from '../config/own-clients.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Notices } from '../mail/notices.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { Section } from './section.ts'

export interface ActivityDependencies {
  audit: Pick<AuditStore, 'list'>
  trail: Pick<AuditTrail, 'flush'>
  accounts: Pick<AccountAdmin, 'endEverything'>
  sessions: Pick<Sessions, 'endAll'>
  notices: Notices
  clock: Clock
  /** What people call a relying party. */
  nameOf: (clientId: string) => string
}

/** Where somebody is sent who has ended everything. */
export const DISOWNED = '/account/disowned'

/** How many events the page shows. */
const SHOWN = 20

/** Events that also have words for a try that failed. */
const TRIED: ReadonlySet<AuditEventName> = new Set(['password.changed', 'email.change.done'])

/** Events that owners should look at: was it them? Each has its words below `account.activity.events`. */
const TOLD: readonly AuditEventName[] = [
  'login.ok',
  'login.fail',
  'login.throttled',
  'otp.fail',
  'otp.replay',
  'otp.locked',
  'factor.added',
  'factor.removed',
  'factor.shown',
  'factor.admin_reset',
  'factor.unlocked',
  'recovery.used',
  'recovery.regenerated',
  'bypass.issued',
  'bypass.used',
  'device.trusted',
  'device.reuse_detected',
  'password.changed',
  'password.reset.requested',
  'password.reset.done',
  'email.change.done',
  'session.disowned',
  'logout',
]

/**
 * What happened to the account last, and a button for owners who see that somebody else is in: it ends every session
 * (G3, G4).
 */
export function activitySection(dependencies: ActivityDependencies): Section {
  const { audit, trail, accounts, sessions, notices, clock, nameOf } = dependencies
  return {
    name: 'activity',
    async show({ account }) {
      // Events are written with a delay; the sign-in that led here should be on the page.
      await trail.flush()
      const records = await audit.list({ account: account.id, events: TOLD, order: 'newest', limit: SHOWN })
      return {
        records: records.map(({ event, outcome, time, ip, client }) => ({
          key: wordsOf(event, outcome),
          time,
          ip,
          client: client === undefined || ownPageOf(client) !== undefined ? undefined : nameOf(client),
        })),
      }
    },
    actions: {
      'not-me': {
        // Nothing should stop an owner who sees that somebody else is in, a second factor neither.
        open: true,
        async act({ account, ip, userAgent }) {
          const mails = notices.of('session-disowned', account, { time: clock.now(), ip, browser: userAgent })
          const facts = { account: account.id, client: OWN_CLIENTS.view, ip }
          await accounts.endEverything(account.id, { event: 'session.disowned', outcome: 'ok', ...facts, mails })
          await sessions.endAll(account.id)
          return { to: DISOWNED }
        },
      },
    },
  }
}

function wordsOf(event: AuditEventName, outcome: AuditRecord['outcome']): string {
  const key = event.replaceAll(/[._]/g, '-')
  return outcome === 'fail' && TRIED.has(event) ? `${key}-failed` : key
}
