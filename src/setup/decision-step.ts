import type { PageError } from '../views/pages.ts'
import { type Decision, decisionIn } from './decision.ts'
import type { SetupState } from './setup-state.ts'
import type { SetupStep, StepOutcome } from './step.ts'
import type { SetupTokens } from './token.ts'

/** The question whether everybody needs a second factor; on a browser's first form also the token of the console. */
export function createDecisionStep({ tokens }: { tokens: Pick<SetupTokens, 'check'> }): SetupStep<'decision'> {
  return {
    view: async ({ token }) => ({ token: token === true }),
    async answer(at, { ip }, form) {
      if (at.token === true) {
        const checked = await tokens.check(form.get('token') ?? '', ip)
        if (!checked.ok) return { shown: at, error: tokenProblem(checked.wait) }
      }
      return outcomeOf(decisionIn(form), at)
    },
  }
}

/** What follows a decision, once the token was right: it is not asked for again. */
function outcomeOf(decision: Decision | undefined, { token }: SetupState<'decision'>): StepOutcome {
  const next: SetupState = { step: 'decision' }
  if (decision === undefined) return token === true ? { next } : { next, error: { code: 'confirm' } }
  if ('error' in decision) return { next, error: decision.error }
  return { next: { step: 'account', enabled: decision.enabled } }
}

/** `wait`: milliseconds, where this network has tried too often. */
function tokenProblem(wait: number | undefined): PageError {
  return wait === undefined ? { code: 'credentials' } : { code: 'throttled', retryAfter: wait }
}
