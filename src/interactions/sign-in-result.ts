import type { AcrNames } from '../mfa/assurance/acr.ts'
import { amrOf, type MethodLookup, provenAt, satisfiedBy } from '../mfa/assurance/assurance.ts'
import { LEVELS } from '../mfa/assurance/levels.ts'
import { liveProofs } from '../mfa/policy/missing.ts'
import type { SessionProofs } from '../mfa/session/session-proofs.ts'
import { isFresh, proofsOf, type SignIn, STEP_UP } from './sign-in.ts'

/**
 * What the engine is told once nothing is missing: who has signed in and at which level, and what their session
 * proves from now on. `now`: milliseconds since the epoch; `absolute`: milliseconds that a session may last from its
 * first sign-in.
 */
export function resultOf(
  signIn: SignIn,
  { lookup, acr, now, absolute }: { lookup: MethodLookup; acr: AcrNames; now: number; absolute: number },
): Record<string, unknown> {
  const { account, demanded, interaction } = signIn
  if (account === undefined || demanded === undefined) throw new Error('a sign-in of nobody')
  const proofs = liveProofs(proofsOf(signIn), demanded, interaction.startedAt)
  const level = LEVELS.highest(satisfiedBy(proofs, lookup))
  const at = level && provenAt(proofs, level, lookup)
  if (level === undefined || at === undefined) throw new Error('a sign-in without a level')
  return {
    login: {
      accountId: account.id,
      acr: acr.nameOf(level),
      amr: amrOf(proofs, lookup),
      ts: Math.floor(at / 1000),
      remember: false,
      fresh: isFresh(signIn, level, lookup) || interaction.before?.fresh === true,
    },
    proofs: sessionOf(signIn, { now, absolute }),
    asOf: interaction.startedAt,
    ...(interaction.prompt.name === STEP_UP && { stepUp: true }),
  }
}

/** What is kept of the session: every proof, because what does not count for this client may count for another. */
function sessionOf(signIn: SignIn, { now, absolute }: { now: number; absolute: number }): SessionProofs {
  const { account, pending, session, address } = signIn
  if (account === undefined) throw new Error('a session of nobody')
  const postponed = pending?.value.postponed ?? session?.postponed
  const startedAt = session?.startedAt ?? now
  return {
    accountId: account.id,
    proofs: proofsOf(signIn),
    device: pending?.value.device ?? session?.device,
    ...(postponed !== undefined && { postponed }),
    address,
    passwordEpoch: account.passwordEpoch,
    sessionEpoch: account.sessionEpoch,
    startedAt,
    expiresAt: startedAt + absolute,
  }
}
