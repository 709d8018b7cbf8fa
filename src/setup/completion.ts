import { LoginTakenError } from '../accounts/account-store.ts'
import type { Change } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { RequestError } from '../kernel/errors.ts'
import type { Finished } from '../mfa/factors/authenticator.ts'
import { answeredEvent } from '../mfa/policy/setup-decision.ts'
import type { FirstAdministrator, SetupDecision, SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
import type { Draft, SetupStates } from './setup-state.ts'
import { SETUP, type SetupRequest, type StepOutcome } from './step.ts'

/** The second factor that the administrator has proved; `factor`: its type. */
type ProvedFactor = Extract<Finished, { ok: true }> & { factor: string }

/**
 * The end of set-up: answer, administrator and factor are written in one transaction, by whoever comes first;
 * everybody else gets RequestError `expired`. `proved` is undefined where nobody needs a second factor.
 */
export type Completion = (request: SetupRequest, draft: Draft, proved: ProvedFactor | undefined) => Promise<StepOutcome>

export interface CompletionDependencies {
  setupDecisions: Pick<SetupDecisionStore, 'finish'>
  states: Pick<SetupStates, 'keep'>
  clock: Clock
  /** Told at every end, also a failed one, so that the gateway looks whether there is an answer. Never rejects. */
  answered(): Promise<void>
}

export function createCompletion({ setupDecisions, states, clock, answered }: CompletionDependencies): Completion {
  return async ({ browser, ip }, draft, proved) => {
    const answer: SetupDecision = { enabled: proved !== undefined, by: 'page', at: clock.now() }
    try {
      const made = await setupDecisions.finish(answer, administratorOf(draft, proved), auditsOf(answer, { proved, ip }))
      // Somebody else was faster, and nothing shows that they sit at this browser.
      if (made === undefined) throw new RequestError('expired')
      // Before anybody is told: by this record the finished gateway, in this process or another, knows the browser
      // that did it.
      await states.keep(browser, { step: 'client' })
      return { redirect: SETUP }
    } catch (error) {
      if (!(error instanceof LoginTakenError)) throw error
      const { username, email } = draft
      return {
        next: { step: 'account', enabled: answer.enabled, typed: { username, email } },
        error: { code: 'username', reason: 'taken' },
      }
    } finally {
      await answered()
    }
  }
}

function administratorOf(draft: Draft, proved: ProvedFactor | undefined): FirstAdministrator {
  const { username, email, passwordHash } = draft
  return {
    username,
    email,
    passwordHash,
    admin: true,
    emailVerified: proved?.address === email,
    binding: proved && { type: proved.factor, record: proved.record },
  }
}

function auditsOf(
  answer: SetupDecision,
  { proved, ip }: { proved: ProvedFactor | undefined; ip: string },
): readonly Change[] {
  const factor: Change[] =
    proved === undefined
      ? []
      : [{ event: 'factor.added', outcome: 'ok', ip, details: { factor: proved.factor, ceremony: 'setup' } }]
  return [
    answeredEvent(answer, { ip }),
    { event: 'user.created', outcome: 'ok', ip, details: { by: 'setup', admin: true } },
    ...factor,
    { event: 'setup.done', outcome: 'ok', ip },
  ]
}
