import type { Account } from '../../accounts/account.ts'
import type { Clock } from '../../kernel/clock.ts'
import { satisfiedBy } from '../assurance/assurance.ts'
import type { Proof } from '../factors/verifier.ts'
import type { RememberedDevices } from '../session/remembered-device.ts'
import type { SessionProofs } from '../session/session-proofs.ts'
import type { Decider } from './decider.ts'
import { liveProofs, missing } from './missing.ts'
import type { Demand } from './policy.ts'
import { stillPostponed } from './postponement.ts'

/** How a session stands under a demand. */
type Admission =
  /** `live`: the proofs that count, from which tokens speak. */
  { ok: true; live: readonly Proof[] } | { ok: false }

/**
 * Whether what a session proved, and what spared it the rest, is still enough: prompts and refreshes ask nothing
 * else.
 */
export interface Admissions {
  /** `asOf`: the time at which proofs are judged; absent: now. */
  of(record: SessionProofs, account: Account, given: { demanded: Demand; asOf: number | undefined }): Promise<Admission>
}

export function createAdmissions(dependencies: {
  decider: Decider
  devices: Pick<RememberedDevices, 'stillValid'>
  clock: Clock
}): Admissions {
  const { decider, devices, clock } = dependencies

  async function spared(record: SessionProofs, account: Account, demanded: Demand): Promise<boolean> {
    const { device, postponed } = record
    const { rememberDays, methods } = demanded
    if (device !== undefined && rememberDays > 0) {
      if (await devices.stillValid(device.id, { account, rememberDays, methods })) return true
    }
    return stillPostponed(postponed, demanded, clock.now()) && !(await decider.hasFactor(account, demanded))
  }

  return {
    async of(record, account, { demanded, asOf }) {
      const live = liveProofs(record.proofs, demanded, asOf ?? clock.now())
      const standing = { levels: satisfiedBy(live, decider.lookup), proved: live.map(({ method }) => method) }
      const lacking = missing(demanded, { ...standing, remembered: false })
      if (lacking === undefined) return { ok: true, live }
      // Nothing but what policy asks of its own accord can be spared.
      if (lacking.by !== 'policy') return { ok: false }
      return (await spared(record, account, demanded)) ? { ok: true, live } : { ok: false }
    },
  }
}
