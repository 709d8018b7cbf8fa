import { RequestError } from '../../kernel/errors.ts'
import type { Proof } from '../../mfa/factors/verifier.ts'
import type { PendingProof } from '../../mfa/session/pending-proof.ts'
import type { FactorStep } from '../factor.ts'
import type { SignIn } from '../sign-in.ts'

/**
 * What was proved in this interaction so far. In a step-up that is nothing at first, and the account is the
 * session's.
 */
export function progressOf({ pending, account, browser }: SignIn): PendingProof {
  if (pending !== undefined) return pending.value
  if (account === undefined) throw new RequestError('expired')
  const { id: accountId, passwordEpoch, sessionEpoch } = account
  return { accountId, browser: browser.id, proofs: [], passwordEpoch, sessionEpoch }
}

/**
 * What is proved after a right code. `proof`: undefined for an administrator's code, which proves nothing and opens
 * the binding of one other authenticator.
 */
export function afterCode(before: PendingProof, step: FactorStep, proof: Proof | undefined): PendingProof {
  const { notice: _, bypassed, ...value } = before
  if (proof === undefined) {
    const { chosen, choosing: __, ...rest } = value
    // Whoever has picked another authenticator, to bind it, goes on to that one.
    return { ...rest, ...(chosen !== undefined && chosen !== step.type && { chosen }), bypassed: true }
  }
  const proofs = [...value.proofs.filter(({ method }) => method !== proof.method), proof]
  // With this binding the administrator's code is used up.
  return { ...value, proofs, ...(bypassed && step.kind !== 'bind' && { bypassed }) }
}

/** With an authenticator that the person has picked, or with the wish to see the choice of them. */
export function withChoice(before: PendingProof, choice: { chosen: string } | { choosing: true }): PendingProof {
  const { chosen: _, choosing: __, notice: ___, ...value } = before
  return { ...value, ...choice }
}
