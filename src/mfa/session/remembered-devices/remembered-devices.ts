import { randomToken } from '../../../kernel/secrets.ts'
import type { RememberedDevices } from '../remembered-device.ts'
import type { RememberedDevicesDependencies } from './dependencies.ts'
import { createPresenting } from './presenting.ts'
import { auditEventOf, cookieOf, newRecord, parseCookie, refusalOf, sameEpochs, viewOf } from './record.ts'
import { createDeviceStore } from './store.ts'

/** `grace`: milliseconds for which a replaced secret is still taken for a tab that was late. */
export function createRememberedDevices(
  options: { grace: number },
  dependencies: RememberedDevicesDependencies,
): RememberedDevices {
  const { trail, clock, notify } = dependencies
  const store = createDeviceStore(dependencies)

  return {
    async remember(proved, existing) {
      const { account, request } = proved
      const now = clock.now()
      const before = existing === undefined ? undefined : await store.get(parseCookie(existing)?.id ?? '')
      if (before?.value.accountId === account.id) await store.remove(before.value)
      const cookie = { id: randomToken(16), secret: randomToken() }
      const device = newRecord(cookie, proved, now)
      const ttl = Math.max(1, device.expiresAt - now)
      await Promise.all([store.insert(device, ttl), notify('device-remembered', account, request)])
      trail.record(auditEventOf('device.trusted', device, { ip: request.ip }))
      return cookieOf(cookie)
    },
    present: createPresenting(options, { store, trail, clock, notify }),
    async stillValid(id, terms) {
      const device = (await store.get(id))?.value
      if (device === undefined || device.accountId !== terms.account.id) return false
      return sameEpochs(device, terms.account) && refusalOf(device, terms, clock.now()) === undefined
    },
    async list(account) {
      const devices = await store.list(account.id)
      return devices
        .filter((device) => sameEpochs(device, account) && clock.now() < device.expiresAt)
        .sort((left, right) => right.lastUsedAt - left.lastUsedAt)
        .map(viewOf)
    },
    async forget(accountId, id) {
      const device = (await store.get(id))?.value
      if (device === undefined || device.accountId !== accountId) return false
      await store.remove(device)
      trail.record(auditEventOf('device.revoked', device))
      return true
    },
    async forgetAll(accountId) {
      const devices = await store.takeAll(accountId)
      for (const device of devices) trail.record(auditEventOf('device.revoked', device))
      return devices.length
    },
  }
}
