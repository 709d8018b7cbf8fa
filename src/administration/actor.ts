import type { Account } from '../accounts/account.ts'
import type { AuditEvent, AuditEventName, AuditStore, Change } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Mail } from '../kernel/mail.ts'
import { createSortableIds } from '../kernel/sortable-id.ts'

/** Who does a deed, as its audit row tells it. */
export interface Actor {
  /** Where the administrator works. */
  by: 'cli' | 'console'
  /**
   * On the command line the operating system's user, as far as it is known; in the console the id of the
   * administrator's account.
   */
  operator: string | undefined
}

/** The audit row of a deed, and the mails that go out with it. */
export function changeBy(
  actor: Actor,
  event: AuditEventName,
  facts: { account?: Account; details?: AuditEvent['details']; mails?: Mail[] } = {},
): Change {
  return {
    event,
    outcome: 'ok',
    account: facts.account?.id,
    details: { ...facts.details, by: actor.by, operator: actor.operator },
    ...(facts.mails !== undefined && { mails: facts.mails }),
  }
}

export interface RecordCommandDependencies {
  audit: Pick<AuditStore, 'append'>
  clock: Clock
}

/**
 * For a deed that changes no row of an account: that it was asked for is the event, written before it is done. Whoever
 * reads the log looks for one name, so the deed is called like its command wherever it is done. Throws when the row
 * cannot be written.
 */
export async function recordCommand(
  { audit, clock }: RecordCommandDependencies,
  { actor, account, command }: { actor: Actor; account: Account; command: string },
): Promise<void> {
  const event: AuditEvent = changeBy(actor, 'admin.command', { account, details: { command } })
  await audit.append([{ ...event, id: createSortableIds(clock)(), time: clock.now() }])
}
