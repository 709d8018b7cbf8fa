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

/** Where somebody goes who has ended everything. */
export const DISOWNED = '/account/disowned'

const SHOWN = 20

/** Those that are told as done when they were, and as a try that failed when not: there are words of their own for it. */
const TRIED: ReadonlySet<AuditEventName> = new Set(['password.changed', 'email.change.done'])

/** What owners should recognise, or not; each has its words below `account.activity.events`. */
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

/** What happened to the account last, and a way to end it all (G3, G4). */
export function activitySection(dependencies: ActivityDependencies): Section {
  const { audit, trail, accounts, sessions, notices, clock, nameOf } = dependencies
  return {
    name: 'activity',
    async show({ account }) {
      // The sign-in that led here is among what waits to be written.
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
        // Whoever sees that somebody else is in must not be stopped by anything.
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
