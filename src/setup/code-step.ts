import type { Form } from '../web/form.ts'
import { problemOf } from '../web/refusal.ts'
import type { Administrators, Asking } from './administrator.ts'
import type { Completion } from './completion.ts'
import type { Draft, SetupState } from './setup-state.ts'
import type { SetupRequest, SetupStep, StepOutcome } from './step.ts'

type AtCode = SetupState<'code'>

export interface CodeStepDependencies {
  /** In the order offered. */
  factors: readonly [Administrators, ...Administrators[]]
  complete: Completion
}

/** The first administrator proves a second factor, of the kind of their choice; with that, set-up is complete. */
export function createCodeStep({ factors, complete }: CodeStepDependencies): SetupStep<'code'> {
  /** Undefined: the file has taken this kind out meanwhile. */
  const administratorsAt = ({ factor }: AtCode): Administrators | undefined =>
    factors.find((administrators) => administrators.factor === factor)

  /** The kind after this one; behind the last one the first. */
  const after = ({ factor }: AtCode): Administrators =>
    factors[factors.findIndex((administrators) => administrators.factor === factor) + 1] ?? factors[0]

  return {
    async view(at, request) {
      const { draft, challenge } = at
      const administrators = administratorsAt(at)
      const shown = challenge && administrators && (await administrators.show(draft, request, challenge))
      const resendIn = administrators?.resendIn(challenge)
      return { ...shown, email: draft.email, resendIn, choose: factors.length > 1 }
    },
    async answer(at, request, form) {
      const { draft } = at
      const action = form.get('action')
      if (action === 'back') {
        const { username, email } = draft
        return { next: { step: 'account', enabled: true, typed: { username, email } } }
      }
      const administrators = administratorsAt(at)
      if (action === 'choose' || administrators === undefined) return challenged(draft, after(at), request)
      if (action === 'resend') return challengedAnew(at, administrators, request)
      return prove(at, { administrators, request, form, complete })
    },
  }
}

/** The code step of this draft, with a challenge where one could be made. */
export async function challenged(draft: Draft, administrators: Administrators, asking: Asking): Promise<StepOutcome> {
  const begun = await administrators.begin(draft, asking)
  const { factor } = administrators
  if (!begun.ok) return { next: { step: 'code', draft, factor }, error: problemOf(begun) }
  return { next: { step: 'code', draft, factor, challenge: begun.challenge } }
}

/** Another challenge of the same kind, on its owner's wish. */
async function challengedAnew(at: AtCode, administrators: Administrators, asking: Asking): Promise<StepOutcome> {
  const renewed = await administrators.renew(at.draft, asking, at.challenge)
  if (!renewed.ok) return { shown: at, error: problemOf(renewed) }
  return { next: { ...at, challenge: renewed.challenge } }
}

/** Judges the code that was typed. */
async function prove(
  at: AtCode,
  given: { administrators: Administrators; request: SetupRequest; form: Form; complete: Completion },
): Promise<StepOutcome> {
  const { administrators, request, form, complete } = given
  const { draft, challenge, factor } = at
  if (challenge === undefined) return { shown: at, error: { code: 'expired' } }
  const finished = await administrators.finish(draft, request, { challenge, code: form.get('code') ?? '' })
  if (finished.ok) return complete(request, draft, { ...finished, factor })
  if (finished.reason === 'expired') return expired(at, administrators, request)
  return { shown: at, error: problemOf(finished) }
}

/** A challenge that is mailed is made anew only when its owner asks; a key that is shown is made anew at once. */
async function expired(at: AtCode, administrators: Administrators, asking: Asking): Promise<StepOutcome> {
  const mailed = administrators.resendIn(undefined) !== undefined
  if (mailed) return { next: at, error: { code: 'expired' } }
  const begun = await administrators.begin(at.draft, asking)
  if (!begun.ok) return { next: at, error: problemOf(begun) }
  return { next: { ...at, challenge: begun.challenge }, error: { code: 'expired' } }
}
