import type { Account } from '../../accounts/account.ts'
import type { Clock } from '../../kernel/clock.ts'
import type { Notices } from '../../mail/notices.ts'
import type { BindingStore } from '../../mfa/factors/binding-store.ts'
import type { RememberedDevices } from '../../mfa/session/remembered-device.ts'
import type { Sessions } from '../../mfa/session/sessions.ts'
import { changeBy } from '../actor.ts'
import type { NoReasonGiven } from '../not-done.ts'
import {
  type PersonDependencies,
  type PersonFacts,
  type PersonGone,
  type UnknownPerson,
  withPerson,
} from '../people/person.ts'
import { reasonIn } from '../reason.ts'

export interface ResetFactorsDependencies extends PersonDependencies {
  bindings: Pick<BindingStore, 'removeAll'>
  devices: Pick<RememberedDevices, 'forgetAll'>
  sessions: Pick<Sessions, 'endAll'>
  notices: Notices
  clock: Clock
}

/** How many factors were removed, and how many remembered devices forgotten. */
export interface FactorsReset {
  ok: true
  account: Account
  factors: number
  devices: number
}

/** Ends factors, remembered devices and sessions: the person binds again at the next sign-in. */
export async function resetFactors(
  dependencies: ResetFactorsDependencies,
  { actor, person, reason: given }: PersonFacts & { reason: string },
): Promise<FactorsReset | NoReasonGiven | UnknownPerson | PersonGone> {
  const { bindings, devices, sessions, notices, clock } = dependencies
  const reason = reasonIn(given)
  if (reason === undefined) return { ok: false, reason: 'no-reason' }
  return withPerson(dependencies, person, async (account) => {
    const mails = notices.of('factors-reset', account, { time: clock.now() })
    const audit = changeBy(actor, 'factor.admin_reset', { account, details: { reason }, mails })
    const factors = await bindings.removeAll(account.id, audit)
    const forgotten = await devices.forgetAll(account.id)
    await sessions.endAll(account.id)
    return { ok: true, account, factors, devices: forgotten }
  })
}
