import type { Account } from '../accounts/account.ts'
import type { Clock } from '../kernel/clock.ts'
import { aliveFor, type SessionProofRecords } from '../mfa/session-proofs.ts'

const RACES = 10

/**
 * Lets this one session outlive a new password, which has raised both epochs by one since `before` was read. What was ended meanwhile, and
 * an account whose epochs have moved further, stay as they are.
 */
export async function keepSession(
  uid: string,
  before: Account,
  { sessionProofs, clock }: { sessionProofs: SessionProofRecords; clock: Clock },
): Promise<void> {
  for (let tries = 0; tries < RACES; tries += 1) {
    const found = await sessionProofs.get(uid)
    if (found === undefined || found.value.ended === true || !aliveFor(before, found.value)) return
    const { keptUntil, expiresAt } = found.value
    const passwordEpoch = before.passwordEpoch + 1
    const kept = { ...found.value, passwordEpoch, sessionEpoch: before.sessionEpoch + 1 }
    const left = Math.max(1, (keptUntil ?? expiresAt) - clock.now())
    if (await sessionProofs.replace(uid, found.version, kept, left)) return
  }
}
