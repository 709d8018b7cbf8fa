import type { Account } from '../accounts/account.ts'
import type { Clock } from '../kernel/clock.ts'
import { aliveFor, type SessionProofRecords } from '../mfa/session/session-proofs.ts'

const RACES = 10

/**
 * Lets this one session outlive a change its owner made in it, which has raised epochs by one since `before` was read. What was ended
 * meanwhile, and an account whose epochs have moved further, stay as they are.
 */
export async function keepSession(
  uid: string,
  { before, change }: { before: Account; change: 'password' | 'factors' },
  { sessionProofs, clock }: { sessionProofs: SessionProofRecords; clock: Clock },
): Promise<void> {
  const raised = {
    sessionEpoch: before.sessionEpoch + 1,
    ...(change === 'password' && { passwordEpoch: before.passwordEpoch + 1 }),
  }
  for (let tries = 0; tries < RACES; tries += 1) {
    const found = await sessionProofs.get(uid)
    if (found === undefined || found.value.ended === true || !aliveFor(before, found.value)) return
    const { keptUntil, expiresAt } = found.value
    const left = Math.max(1, (keptUntil ?? expiresAt) - clock.now())
    if (await sessionProofs.replace(uid, found.version, { ...found.value, ...raised }, left)) return
  }
}
