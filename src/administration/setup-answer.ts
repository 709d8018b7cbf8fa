import type { Clock } from '../kernel/clock.ts'
import { type HoldingDecision, keepFileDecision } from '../mfa/policy/setup-decision.ts'
import type { SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'

export interface SetupAnswerDependencies {
  /** What holds today, and who says so. */
  setupDecision: HoldingDecision
  setupDecisions: SetupDecisionStore
  clock: Clock
  /**
   * Hears that nobody has answered, before there is an account: with accounts and no answer the gateway starts without
   * a second factor.
   */
  nobodyAnswered?(): void
}

/**
 * Before the first accounts come from an administrator: what the file answers holds also when it says nothing any more
 * (A5, A10).
 */
export async function keepSetupAnswer(dependencies: SetupAnswerDependencies): Promise<void> {
  const { setupDecision, nobodyAnswered } = dependencies
  await keepFileDecision(setupDecision, dependencies)
  if (setupDecision.from === 'nobody') nobodyAnswered?.()
}
