import type { AccountAdmin } from '../../accounts/account-store.ts'
import type { AuditEvent } from '../../audit/audit.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { SetupDecision, SetupDecisionStore } from './setup-decision-store.ts'

/** Whether everybody needs a second factor, and who says so. */
export type HoldingDecision =
  | { enabled: boolean; from: 'file' | 'answer' }
  /** An import or an upgrade: accounts are there, and nobody was ever asked (A10). */
  | { enabled: false; from: 'accounts' }
  /** Set-up waits (A1). */
  | { enabled: undefined; from: 'nobody' }

/** What holds: the file, else what was answered, also by a file that says nothing any more (A4, A10). */
export async function holdingDecision(
  file: boolean | undefined,
  stores: { setupDecisions: Pick<SetupDecisionStore, 'get'>; accounts: Pick<AccountAdmin, 'count'> },
): Promise<HoldingDecision> {
  if (file !== undefined) return { enabled: file, from: 'file' }
  const answer = await stores.setupDecisions.get()
  if (answer !== undefined) return { enabled: answer.enabled, from: 'answer' }
  if ((await stores.accounts.count()) > 0) return { enabled: false, from: 'accounts' }
  return { enabled: undefined, from: 'nobody' }
}

/**
 * Keeps the file's answer, so that it holds when the file says nothing any more. Its audit row is written when it is
 * another one.
 */
export async function keepFileDecision(
  holding: HoldingDecision,
  { setupDecisions, clock }: { setupDecisions: SetupDecisionStore; clock: Clock },
): Promise<void> {
  if (holding.from !== 'file') return
  const before = await setupDecisions.get()
  if (before?.enabled === holding.enabled) return
  const answer = { enabled: holding.enabled, by: 'file', at: clock.now() } as const
  await setupDecisions.replace(before, answer, answeredEvent(answer))
}

/** Who answered what (A6). */
export function answeredEvent({ enabled, by }: SetupDecision, facts: Partial<AuditEvent> = {}): AuditEvent {
  const details = { answer: enabled ? 'keep' : 'off', by, ...facts.details }
  return { ...facts, event: 'setup.answered', outcome: 'ok', details }
}
