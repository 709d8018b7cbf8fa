import { spend } from '../../../state/allowance.ts'
import type { Versioned } from '../../../state/records.ts'
import { keyOf, type StateStore } from '../../../state/store.ts'
import type { Finished, Refusal } from '../authenticator.ts'
import type { Binding, BindingStore } from '../binding-store.ts'
import type { Attempt } from '../verifier.ts'
import { type CeremonyOf, refuse } from './attempts.ts'
import type { KeptChallenge } from './challenge-record.ts'
import type { Challenges } from './challenges.ts'
import { limitsOf, type VerifierOptions } from './limits.ts'
import type { AttemptReports } from './reports.ts'

/** What is judged, and by what. */
export interface Answer {
  /** Undefined for a ceremony that keeps none. */
  challenge: Versioned<KeptChallenge> | undefined
  /** The account's bindings of this type. */
  own: Binding[]
  code: string
}

/** `giveBack`: what was right is no failure, and is not counted as one. */
export type RightAnswer = Extract<Finished, { ok: true }> & { giveBack(): Promise<void> }

type WrongAnswer = Extract<Finished, { ok: false }>

/** Counts an answer, then judges it. Nothing is changed by a right one yet: it has still to be taken. */
export type Judge = (attempt: Attempt, chosen: CeremonyOf, answer: Answer) => Promise<RightAnswer | Refusal>

interface Counted {
  ok: true
  giveBack(): Promise<void>
  /** If this answer is wrong, the challenge is dead. */
  lastOfChallenge: boolean
  /** If this answer is wrong, the type is locked. */
  lastInARow: boolean
}

/**
 * Every answer is counted before it is judged: under the number of answers its challenge allows, under the limits of
 * the interaction, the hour and the day, and in the durable row of failures, in this order (RL-4). Only what is judged
 * stays counted. The row of failures belongs to one type; the other limits are shared by all types. Binding counts by
 * challenge alone.
 */
export function createJudge(
  options: VerifierOptions,
  dependencies: { state: StateStore; bindings: BindingStore; challenges: Challenges; reports: AttemptReports },
): Judge {
  const { state, bindings, challenges, reports } = dependencies

  async function count(
    attempt: Attempt,
    chosen: CeremonyOf,
    challenge: Answer['challenge'],
  ): Promise<Counted | Refusal> {
    const { attempts, ttl } = chosen.authenticator.challenge
    const [answers, spent] = await Promise.all([
      challenge && state.increment(keyOf('challenge-answers', challenge.value.id), ttl),
      spend(limitsOf(attempt, options), state),
    ])
    if (!spent.ok) return reports.refused(attempt, { ok: false, reason: 'throttled', retryAfter: spent.wait })
    const { giveBack } = spent
    if (answers !== undefined && answers > attempts) {
      await giveBack()
      return refuse('expired')
    }
    const inARow =
      attempt.ceremony === 'verify' ? await bindings.countAttempt(attempt.context.account.id, attempt.type) : 0
    if (inARow > options.inARow) {
      await giveBack()
      return reports.locked(attempt)
    }
    const lastOfChallenge = answers !== undefined && answers >= attempts
    return { ok: true, giveBack, lastOfChallenge, lastInARow: inARow === options.inARow }
  }

  /** Writes what a refused code has used up; a hint that cannot be paid for is not given. */
  async function recordRefusal({ recordOnRefusal: change, ...refusal }: WrongAnswer): Promise<Refusal> {
    if (change === undefined) return refusal
    const { id, version, lastUsedAt, boundAt } = change.binding
    const written = await bindings.replace(id, version, { record: change.record, lastUsedAt: lastUsedAt ?? boundAt })
    return written ? refusal : refuse('mismatch')
  }

  async function refuseWrong(
    attempt: Attempt,
    wrong: WrongAnswer,
    { lastOfChallenge, lastInARow, challenge }: Omit<Counted, 'ok' | 'giveBack'> & Pick<Answer, 'challenge'>,
  ): Promise<Refusal> {
    const ended = challenge !== undefined && lastOfChallenge && challenges.spend(attempt, challenge)
    const [refusal] = await Promise.all([
      recordRefusal(wrong),
      ended,
      attempt.ceremony === 'verify' && reports.wrongCode(attempt),
    ])
    reports.refused(attempt, refusal)
    return lastInARow ? reports.lockedNow(attempt) : refusal
  }

  return async (attempt, chosen, { challenge, own, code }) => {
    const counted = await count(attempt, chosen, challenge)
    if (!counted.ok) return counted
    const finished = await chosen.ceremony.finish({
      bindings: own,
      challenge: challenge?.value.challenge,
      code,
      context: attempt.context,
    })
    if (finished.ok) return { ...finished, giveBack: counted.giveBack }
    return refuseWrong(attempt, finished, { ...counted, challenge })
  }
}
