import type { AuditTrail } from '../../../audit/audit.ts'
import { spend } from '../../../state/allowance.ts'
import type { StateStore } from '../../../state/store.ts'
import type { Ceremony } from '../authenticator.ts'
import type { BindingStore } from '../binding-store.ts'
import type { Attempt } from '../verifier.ts'
import { type CeremonyOf, partiesOf } from './attempts.ts'
import { sendLimitsOf } from './limits.ts'

/**
 * Lets an authenticator make its challenge. One that is sent to somebody is counted before and written to the audit
 * afterwards; what could not be sent does not stay counted.
 */
export async function makeChallenge(
  attempt: Attempt,
  { authenticator, ceremony }: CeremonyOf,
  dependencies: { state: StateStore; bindings: BindingStore; trail: AuditTrail },
): ReturnType<Ceremony['begin']> {
  const { state, bindings, trail } = dependencies
  const { account } = attempt.context
  const own = (await bindings.list(account.id)).filter((binding) => binding.type === attempt.type)
  const { resend } = authenticator
  if (resend === undefined) return ceremony.begin(own, attempt.context)
  const spent = await spend(sendLimitsOf(attempt, resend), state)
  if (!spent.ok) return { ok: false, reason: 'throttled', retryAfter: spent.wait }
  const begun = await ceremony.begin(own, attempt.context)
  if (!begun.ok) await spent.giveBack()
  trail.record({
    event: 'otp.sent',
    outcome: begun.ok ? 'ok' : 'fail',
    ...partiesOf(attempt),
    details: { factor: attempt.type, reason: begun.ok ? undefined : begun.reason },
  })
  return begun
}
