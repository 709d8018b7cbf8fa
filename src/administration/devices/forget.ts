import type { Account } from '../../accounts/account.ts'
import type { RememberedDevices } from '../../mfa/session/remembered-device.ts'
import { type RecordCommandDependencies, recordCommand } from '../actor.ts'
import type { NotDone } from '../not-done.ts'
import {
  type PersonDependencies,
  type PersonFacts,
  type PersonGone,
  type UnknownPerson,
  withPerson,
} from '../people/person.ts'

export interface ForgetDevicesDependencies extends PersonDependencies, RecordCommandDependencies {
  devices: Pick<RememberedDevices, 'forget' | 'forgetAll'>
}

/** No device of this person has that id. */
export interface NoSuchDevice extends NotDone<'no-such-device'> {
  account: Account
}

/** Forgets one browser of somebody: it is asked for the second factor again. */
export function forgetDevice(
  dependencies: ForgetDevicesDependencies,
  { actor, person, device }: PersonFacts & { device: string },
): Promise<{ ok: true; account: Account } | NoSuchDevice | UnknownPerson | PersonGone> {
  return withPerson(dependencies, person, async (account) => {
    await recordCommand(dependencies, { actor, account, command: 'mfa devices --forget' })
    if (await dependencies.devices.forget(account.id, device)) return { ok: true, account }
    return { ok: false, reason: 'no-such-device', account }
  })
}

/** Forgets all of them; `forgotten` says how many there were. */
export function forgetAllDevices(
  dependencies: ForgetDevicesDependencies,
  { actor, person }: PersonFacts,
): Promise<{ ok: true; account: Account; forgotten: number } | UnknownPerson | PersonGone> {
  return withPerson(dependencies, person, async (account) => {
    await recordCommand(dependencies, { actor, account, command: 'mfa devices --forget-all' })
    return { ok: true, account, forgotten: await dependencies.devices.forgetAll(account.id) }
  })
}
