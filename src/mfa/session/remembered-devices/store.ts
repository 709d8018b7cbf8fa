import type { Sealer } from '../../../kernel/secrets.ts'
import { createRecords, type Versioned } from '../../../state/records.ts'
import { keyOf, type StateStore } from '../../../state/store.ts'
import type { DeviceRecord } from './record.ts'

/** Keeps devices, and an index of them for each account. Times to live are in milliseconds. */
export interface DeviceStore {
  get(id: string): Promise<Versioned<DeviceRecord> | undefined>
  insert(device: DeviceRecord, ttl: number): Promise<void>
  /** Compare-and-set: false when somebody else wrote since `version` was read. */
  replace(device: DeviceRecord, version: string, ttl: number): Promise<boolean>
  remove(device: DeviceRecord): Promise<void>
  list(accountId: string): Promise<DeviceRecord[]>
  /** Removes all devices of an account; at most one caller gets each. */
  takeAll(accountId: string): Promise<DeviceRecord[]>
}

export function createDeviceStore(dependencies: { state: StateStore; sealer: Sealer }): DeviceStore {
  const { state } = dependencies
  const records = createRecords<DeviceRecord>('device', dependencies)
  const indexOf = (accountId: string) => keyOf('devices', accountId)
  return {
    get: (id) => records.get(id),
    async insert(device, ttl) {
      const { id, accountId } = device
      await Promise.all([records.set(id, device, ttl), state.indexAdd(indexOf(accountId), id, ttl)])
    },
    replace: (device, version, ttl) => records.replace(device.id, version, device, ttl),
    async remove({ id, accountId }) {
      await Promise.all([records.delete(id), state.indexRemove(indexOf(accountId), id)])
    },
    async list(accountId) {
      const ids = await state.indexList(indexOf(accountId))
      const found = await Promise.all(ids.map((id) => records.get(id)))
      return found.filter((record) => record !== undefined).map(({ value }) => value)
    },
    async takeAll(accountId) {
      const ids = await state.indexList(indexOf(accountId))
      const taken = await Promise.all(ids.map((id) => records.take(id)))
      await state.indexRemove(indexOf(accountId), ...ids)
      return taken.filter((device) => device !== undefined)
    },
  }
}
