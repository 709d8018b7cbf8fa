import type { Account } from '../../../accounts/account.ts'
import { randomToken, sha256 } from '../../../kernel/secrets.ts'
import type { DeviceTerms, Origin, Presented, RememberedDevices } from '../remembered-device.ts'
import type { RememberedDevicesDependencies } from './dependencies.ts'
import {
  auditEventOf,
  cookieOf,
  type DeviceRecord,
  parseCookie,
  refusalOf,
  rotated,
  sameEpochs,
  useOf,
} from './record.ts'
import type { DeviceStore } from './store.ts'

/** Presenting races only with other tabs of one browser. */
const MAX_RACES = 20

/**
 * Judges the cookie that a browser presents. A copied one is looked for first, before anything that the device's age or
 * today's policy says: a thief must not go unseen because the device is of no use to them.
 */
export function createPresenting(
  options: { grace: number },
  dependencies: Pick<RememberedDevicesDependencies, 'trail' | 'clock' | 'notify'> & { store: DeviceStore },
): RememberedDevices['present'] {
  const { store, trail, clock, notify } = dependencies

  async function revokeCopied(device: DeviceRecord, account: Account, request: Origin): Promise<Presented> {
    // The mail comes first: a device that is gone would not be found copied again.
    await notify('device-copied', account, request)
    await store.remove(device)
    trail.record(auditEventOf('device.reuse_detected', device, { ip: request.ip }))
    return { ok: false, reason: 'reused' }
  }

  async function revokeStale(device: DeviceRecord): Promise<Presented> {
    await store.remove(device)
    trail.record(auditEventOf('device.revoked', device, { reason: 'account changed' }))
    return { ok: false, reason: 'stale' }
  }

  /** One round: undefined when another tab wrote in between. */
  async function tryPresent(
    cookie: { id: string; hash: string },
    { request, ...terms }: DeviceTerms & { request: Origin },
  ): Promise<Presented | undefined> {
    const found = await store.get(cookie.id)
    if (found === undefined || found.value.accountId !== terms.account.id) return { ok: false, reason: 'unknown' }
    const device = found.value
    const now = clock.now()
    const use = useOf(device, cookie.hash, now - options.grace)
    if (use === 'copied') return revokeCopied(device, terms.account, request)
    if (!sameEpochs(device, terms.account)) return revokeStale(device)
    const refused = refusalOf(device, terms, now)
    if (refused !== undefined) return { ok: false, reason: refused }
    const { id, provenAt, expiresAt } = device
    if (use === 'late') return { ok: true, id, provenAt, expiresAt }
    const secret = randomToken()
    const next = rotated(device, { secret, usedHash: cookie.hash, request, now, grace: options.grace })
    const written = await store.replace(next, found.version, expiresAt - now)
    if (!written) return undefined
    trail.record(auditEventOf('device.used', device, { ip: request.ip }))
    return { ok: true, id, provenAt, expiresAt, cookie: cookieOf({ id, secret }) }
  }

  return async (cookie, terms) => {
    const parts = parseCookie(cookie)
    if (parts === undefined) return { ok: false, reason: 'unknown' }
    const { id, secret } = parts
    for (let race = 0; race < MAX_RACES; race++) {
      const presented = await tryPresent({ id, hash: sha256(secret) }, terms)
      if (presented !== undefined) return presented
    }
    return { ok: false, reason: 'unknown' }
  }
}
