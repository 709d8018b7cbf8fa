import type { Account } from '../../../accounts/account.ts'
import type { AccountAdmin } from '../../../accounts/account-store.ts'
import type { AuditTrail } from '../../../audit/audit.ts'
import type { Clock } from '../../../kernel/clock.ts'
import type { Sealer } from '../../../kernel/secrets.ts'
import type { Notices } from '../../../mail/notices.ts'
import type { Outbox } from '../../../mail/outbox.ts'
import { waitUntilRoom } from '../../../state/allowance.ts'
import type { StateStore } from '../../../state/store.ts'
import type { Authenticator, Refusal } from '../authenticator.ts'
import type { Binding, BindingStore } from '../binding-store.ts'
import type { Registry } from '../registry.ts'
import type { Attempt, Proof, Verdict, Verifier } from '../verifier.ts'
import { type CeremonyOf, refuse } from './attempts.ts'
import { createChallenges } from './challenges.ts'
import { type Answer, createJudge, type RightAnswer } from './judging.ts'
import { createKeeper } from './keeping.ts'
import { limitsOf, type VerifierOptions } from './limits.ts'
import { createAttemptReports } from './reports.ts'

export interface VerifierDependencies {
  state: StateStore
  sealer: Sealer
  bindings: BindingStore
  accounts: Pick<AccountAdmin, 'update'>
  authenticators: Registry
  trail: AuditTrail
  notices: Notices
  outbox: Pick<Outbox, 'add'>
  clock: Clock
}

const LABEL_LENGTH = 60

/**
 * The promises of `Verifier`, in their order: an answer is counted, then judged (`judging.ts`); what was right is
 * taken, so that the same challenge or code works once, and only then kept (`keeping.ts`); audit and owner are told
 * (`reports.ts`). A success gives its own count back and ends the row of failures of its own type: failures of any type
 * go on counting under the shared limits (RL-6), and somebody who signs in all day is not throttled.
 */
export function createVerifier(options: VerifierOptions, dependencies: VerifierDependencies): Verifier {
  const { state, bindings, authenticators, clock } = dependencies
  const challenges = createChallenges({ interaction: options.interaction }, dependencies)
  const reports = createAttemptReports(dependencies)
  const judge = createJudge(options, { state, bindings, challenges, reports })
  const keeper = createKeeper({ ...dependencies, reports })

  function ceremonyOf(attempt: Attempt): CeremonyOf | undefined {
    const authenticator = authenticators.get(attempt.type)
    const ceremony = authenticator?.[attempt.ceremony]
    return authenticator && ceremony && { authenticator, ceremony }
  }

  async function begin(attempt: Attempt): ReturnType<Verifier['begin']> {
    const chosen = ceremonyOf(attempt)
    if (chosen === undefined) return refuse('unusable')
    if (!chosen.ceremony.challengeless) return challenges.begin(attempt, chosen)
    const expiresAt = clock.now() + chosen.authenticator.challenge.ttl
    return { ok: true, show: await chosen.ceremony.show(undefined, attempt.context), expiresAt, resendAt: undefined }
  }

  /** What the answer is judged by; a refusal where there is nothing to judge. */
  async function find(attempt: Attempt, chosen: CeremonyOf): Promise<Omit<Answer, 'code'> | Refusal> {
    const { account } = attempt.context
    const kept = !chosen.ceremony.challengeless
    const [challenge, all] = await Promise.all([
      kept ? challenges.open(attempt) : undefined,
      attempt.bindings ?? bindings.list(account.id),
    ])
    const own = all.filter((binding) => binding.type === attempt.type)
    if (attempt.ceremony === 'verify' && !isUsable(chosen.authenticator, account, own)) return refuse('unusable')
    return kept && challenge === undefined ? refuse('expired') : { challenge, own }
  }

  function provedBy(attempt: Attempt, answer: RightAnswer): Proof | undefined {
    if (answer.opens === 'binding') return undefined
    reports.succeeded(attempt)
    return { method: attempt.type, at: attempt.context.now }
  }

  return {
    begin,
    async renew(attempt) {
      const chosen = ceremonyOf(attempt)
      if (chosen === undefined || chosen.ceremony.challengeless) return begin(attempt)
      const wait = await waitUntilRoom(limitsOf(attempt, options), state)
      // A code that could not be tried is not worth sending.
      if (wait !== undefined) return { ok: false, reason: 'throttled', retryAfter: wait }
      return challenges.renew(attempt, chosen)
    },
    async finish(attempt, form): Promise<Verdict> {
      const chosen = ceremonyOf(attempt)
      if (chosen === undefined) return refuse('unusable')
      const found = await find(attempt, chosen)
      if ('ok' in found) return found
      const answer = await judge(attempt, chosen, { ...found, code: form.code })
      if (!answer.ok) return answer
      const taken = found.challenge === undefined || (await challenges.spend(attempt, found.challenge))
      // Right, and too late: somebody used the same challenge at the same time.
      if (!taken) return reports.refused(attempt, refuse('replayed'))
      const bound = await keeper.keep(attempt, chosen, { answer, label: labelOf(form.label) })
      if (typeof bound === 'object') return bound
      const [verified] = await Promise.all([
        keeper.verifyAddress(attempt, answer.address),
        answer.giveBack(),
        attempt.ceremony === 'verify' && bindings.clearAttempts(attempt.context.account.id, attempt.type),
      ])
      const changed = bound || verified || answer.sideEffect !== undefined
      return { ok: true, proof: provedBy(attempt, answer), bound, changed }
    },
  }
}

/**
 * Who has no fallback learns no more of it than who types a wrong code: whether one was given out is not to be seen.
 */
function isUsable(authenticator: Authenticator, account: Account, own: readonly Binding[]): boolean {
  return own.length > 0 || authenticator.usableUnbound(account) || authenticator.fallback !== undefined
}

function labelOf(label: string | undefined): string | undefined {
  return label?.trim().slice(0, LABEL_LENGTH) || undefined
}
