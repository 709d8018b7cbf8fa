import type { Account } from '../../accounts/account.ts'
import type { AuditEventName, AuditTrail } from '../../audit/audit.ts'
import { type Clock, DAY } from '../../kernel/clock.ts'
import { equalSecrets, randomToken, type Sealer, sha256 } from '../../kernel/secrets.ts'
import type { NoticeKind } from '../../mail/notices.ts'
import { createRecords } from '../../state/records.ts'
import { keyOf, type StateStore } from '../../state/store.ts'

/** A browser whose owner proved a second factor and wished to be spared the next ones (TD-1: it never counts as a factor). */
export interface RememberedDevice {
  id: string
  accountId: string
  /** The second factor that was proved. */
  method: string
  /** When it was proved; the life of the device counts from here alone (TD-4). Milliseconds since the epoch, as all times here. */
  provenAt: number
  /** Under the setting of the day it was remembered; a smaller setting ends it sooner. */
  expiresAt: number
  userAgent: string
  /** Of the last use. */
  ip: string
  createdAt: number
  lastUsedAt: number
}

/** What today's policy says about remembered devices for this sign-in. */
export interface DeviceTerms {
  account: Account
  /** 0: none is accepted. */
  rememberDays: number
  /** Methods that may have been proved. */
  methods: readonly string[]
}

/** Where a request comes from: shown to the owner, never trusted. */
export interface Origin {
  ip: string
  userAgent: string
  /** Of the page: letters are written in it, unless the owner has chosen another language. */
  locale?: string
}

export type Presented =
  /** `cookie`: the value the browser must hold from now on; absent: the one it holds, or is being given, stays. */
  | { ok: true; id: string; provenAt: number; expiresAt: number; cookie?: string }
  | { ok: false; reason: 'unknown' | 'reused' | 'expired' | 'stale' | 'method' }

export interface RememberedDevices {
  /**
   * Remembers this browser and answers the value of its cookie. `account` is of after the proof: a binding made by it has raised
   * the factor epoch. `existing` is the cookie the browser already holds: its device of the same account is forgotten.
   */
  remember(
    proved: { account: Account; method: string; provenAt: number; rememberDays: number; request: Origin },
    existing?: string,
  ): Promise<string>
  /**
   * Whether the browser that holds this value is remembered under today's terms. The value rotates with each use; the one before
   * stays good until the new one has been presented, and every replaced one for the grace time, so that lost responses and
   * parallel tabs do no harm. Any other secret of a known device has been copied: the device is revoked, its owner told (TD-5).
   * Changed epochs end it (TD-3, TD-6).
   */
  present(cookie: string, terms: DeviceTerms & { request: Origin }): Promise<Presented>
  /** The same question for a session that a device has let in, without the cookie and without rotation. */
  stillValid(id: string, terms: DeviceTerms): Promise<boolean>
  /** Those that could still be presented, newest use first. */
  list(account: Account): Promise<RememberedDevice[]>
  /** False when it is not one of this account's (FB-6). */
  forget(accountId: string, id: string): Promise<boolean>
  /** How many were forgotten. */
  forgetAll(accountId: string): Promise<number>
}

export interface RememberedDevicesDependencies {
  state: StateStore
  sealer: Sealer
  trail: AuditTrail
  clock: Clock
  /** Tells the owner what happened in this browser; resolves when the letter cannot get lost any more. */
  notify(kind: DeviceNotice, account: Account, request: Origin): Promise<void>
}

/** A browser is remembered; a copy of its cookie was used. */
export type DeviceNotice = Extract<NoticeKind, 'device-remembered' | 'device-copied'>

interface DeviceRecord extends RememberedDevice {
  /** SHA-256 of the value to be presented next (TD-2). */
  current: string
  /** Replaced values, newest first: the first was replaced by `current`, the others are within the grace time. */
  replaced: { hash: string; at: number }[]
  passwordEpoch: number
  factorEpoch: number
  sessionEpoch: number
}

/** Presenting races only with other tabs of one browser. */
const MAX_RACES = 20

/** `grace`: milliseconds for which a replaced value is still taken for a tab that was late. */
export function createRememberedDevices(
  options: { grace: number },
  dependencies: RememberedDevicesDependencies,
): RememberedDevices {
  const { state, trail, clock, notify } = dependencies
  const records = createRecords<DeviceRecord>('device', dependencies)
  const indexOf = (accountId: string) => keyOf('devices', accountId)

  async function remove(device: DeviceRecord): Promise<void> {
    await Promise.all([records.delete(device.id), state.indexRemove(indexOf(device.accountId), device.id)])
  }

  function audit(event: AuditEventName, device: DeviceRecord, facts: { ip?: string; reason?: string } = {}): void {
    const { ip, reason } = facts
    const outcome = event === 'device.reuse_detected' ? 'fail' : 'ok'
    trail.record({ event, outcome, account: device.accountId, ip, details: { device: device.id, reason } })
  }

  async function revokeCopied(device: DeviceRecord, account: Account, request: Origin): Promise<Presented> {
    // The letter first: a device that is gone would not be found copied again.
    await notify('device-copied', account, request)
    await remove(device)
    audit('device.reuse_detected', device, { ip: request.ip })
    return { ok: false, reason: 'reused' }
  }

  async function revokeStale(device: DeviceRecord): Promise<Presented> {
    await remove(device)
    audit('device.revoked', device, { reason: 'account changed' })
    return { ok: false, reason: 'stale' }
  }

  /** One round: undefined when another tab wrote in between. */
  async function tryPresent(
    cookie: { id: string; hash: string },
    { request, ...terms }: DeviceTerms & { request: Origin },
  ): Promise<Presented | undefined> {
    const found = await records.get(cookie.id)
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
    const replaced = [{ hash: cookie.hash, at: now }, ...device.replaced.filter(({ at }) => at > now - options.grace)]
    const rotated = { ...device, current: sha256(secret), replaced, ...placeOf(request), lastUsedAt: now }
    const written = await records.replace(id, found.version, rotated, device.expiresAt - now)
    if (!written) return undefined
    audit('device.used', device, { ip: request.ip })
    return { ok: true, id, provenAt, expiresAt, cookie: `${id}.${secret}` }
  }

  return {
    async remember({ account, method, provenAt, rememberDays, request }, existing) {
      const now = clock.now()
      const before = existing === undefined ? undefined : await records.get(partsOf(existing)?.id ?? '')
      if (before?.value.accountId === account.id) await remove(before.value)
      const id = randomToken(16)
      const secret = randomToken()
      const { passwordEpoch, factorEpoch, sessionEpoch } = account
      const expiresAt = provenAt + rememberDays * DAY
      const device: DeviceRecord = {
        id,
        accountId: account.id,
        method,
        provenAt,
        expiresAt,
        ...placeOf(request),
        createdAt: now,
        lastUsedAt: now,
        current: sha256(secret),
        replaced: [],
        passwordEpoch,
        factorEpoch,
        sessionEpoch,
      }
      const ttl = Math.max(1, expiresAt - now)
      await Promise.all([
        records.set(id, device, ttl),
        state.indexAdd(indexOf(account.id), id, ttl),
        notify('device-remembered', account, request),
      ])
      audit('device.trusted', device, { ip: request.ip })
      return `${id}.${secret}`
    },
    async present(cookie, terms) {
      const parts = partsOf(cookie)
      if (parts === undefined) return { ok: false, reason: 'unknown' }
      const { id, secret } = parts
      for (let race = 0; race < MAX_RACES; race++) {
        const presented = await tryPresent({ id, hash: sha256(secret) }, terms)
        if (presented !== undefined) return presented
      }
      return { ok: false, reason: 'unknown' }
    },
    async stillValid(id, terms) {
      const device = (await records.get(id))?.value
      if (device === undefined || device.accountId !== terms.account.id) return false
      return sameEpochs(device, terms.account) && refusalOf(device, terms, clock.now()) === undefined
    },
    async list(account) {
      const ids = await state.indexList(indexOf(account.id))
      const found = await Promise.all(ids.map((id) => records.get(id)))
      return found
        .filter((record) => record !== undefined)
        .map((record) => record.value)
        .filter((device) => sameEpochs(device, account) && clock.now() < device.expiresAt)
        .sort((left, right) => right.lastUsedAt - left.lastUsedAt)
        .map(viewOf)
    },
    async forget(accountId, id) {
      const device = (await records.get(id))?.value
      if (device === undefined || device.accountId !== accountId) return false
      await remove(device)
      audit('device.revoked', device)
      return true
    },
    async forgetAll(accountId) {
      const ids = await state.indexList(indexOf(accountId))
      const taken = await Promise.all(ids.map((id) => records.take(id)))
      await state.indexRemove(indexOf(accountId), ...ids)
      const devices = taken.filter((device) => device !== undefined)
      for (const device of devices) audit('device.revoked', device)
      return devices.length
    },
  }
}

/** `next`: to be rotated; `late`: replaced a moment ago by a tab of the same browser; `copied`: nobody should hold it. */
function useOf(device: DeviceRecord, hash: string, graceFrom: number): 'next' | 'late' | 'copied' {
  if (equalSecrets(device.current, hash)) return 'next'
  const index = device.replaced.findIndex((replaced) => equalSecrets(replaced.hash, hash))
  const replaced = device.replaced[index]
  if (replaced === undefined) return 'copied'
  if (replaced.at > graceFrom) return 'late'
  // The value that replaced it has never been presented: the answer that carried it was lost.
  return index === 0 ? 'next' : 'copied'
}

function refusalOf(device: DeviceRecord, terms: DeviceTerms, now: number): 'expired' | 'method' | undefined {
  const endsAt = Math.min(device.expiresAt, device.provenAt + terms.rememberDays * DAY)
  if (now >= endsAt) return 'expired'
  return terms.methods.includes(device.method) ? undefined : 'method'
}

const placeOf = ({ ip, userAgent }: Origin): { ip: string; userAgent: string } => ({ ip, userAgent })

function sameEpochs(device: DeviceRecord, account: Account): boolean {
  return (
    device.passwordEpoch === account.passwordEpoch &&
    device.factorEpoch === account.factorEpoch &&
    device.sessionEpoch === account.sessionEpoch
  )
}

function partsOf(cookie: string): { id: string; secret: string } | undefined {
  const [id = '', secret = '', ...rest] = cookie.split('.')
  return id === '' || secret === '' || rest.length > 0 ? undefined : { id, secret }
}

function viewOf(device: DeviceRecord): RememberedDevice {
  const { id, accountId, method, provenAt, expiresAt, userAgent, ip, createdAt, lastUsedAt } = device
  return { id, accountId, method, provenAt, expiresAt, userAgent, ip, createdAt, lastUsedAt }
}
