import type { Account } from '../../../accounts/account.ts'
import type { AuditEvent, AuditEventName } from '../../../audit/audit.ts'
import { DAY } from '../../../kernel/clock.ts'
import { equalSecrets, sha256 } from '../../../kernel/secrets.ts'
import type { DeviceTerms, Origin, RememberedDevice } from '../remembered-device.ts'

/** A remembered device as it is kept. The cookie's secret is kept as a hash only (TD-2). */
export interface DeviceRecord extends RememberedDevice {
  /** SHA-256 of the secret to be presented next. */
  current: string
  /** Replaced secrets, newest first: the first was replaced by `current`, the others are within the grace time. */
  replaced: { hash: string; at: number }[]
  passwordEpoch: number
  factorEpoch: number
  sessionEpoch: number
}

/** What the cookie carries. */
export interface DeviceCookie {
  id: string
  secret: string
}

export const cookieOf = ({ id, secret }: DeviceCookie): string => `${id}.${secret}`

/** Undefined for a value that no cookie of ours has. */
export function parseCookie(cookie: string): DeviceCookie | undefined {
  const [id = '', secret = '', ...rest] = cookie.split('.')
  return id === '' || secret === '' || rest.length > 0 ? undefined : { id, secret }
}

/** The record of a browser that is remembered from `now` on. */
export function newRecord(
  { id, secret }: DeviceCookie,
  proved: { account: Account; method: string; provenAt: number; rememberDays: number; request: Origin },
  now: number,
): DeviceRecord {
  const { account, method, provenAt, rememberDays, request } = proved
  const { passwordEpoch, factorEpoch, sessionEpoch } = account
  return {
    id,
    accountId: account.id,
    method,
    provenAt,
    expiresAt: provenAt + rememberDays * DAY,
    ...placeOf(request),
    createdAt: now,
    lastUsedAt: now,
    current: sha256(secret),
    replaced: [],
    passwordEpoch,
    factorEpoch,
    sessionEpoch,
  }
}

/**
 * The record after a use: `secret` is presented next, `usedHash` is replaced. Older ones stay for `grace` milliseconds.
 */
export function rotated(
  device: DeviceRecord,
  use: { secret: string; usedHash: string; request: Origin; now: number; grace: number },
): DeviceRecord {
  const { secret, usedHash, request, now, grace } = use
  const replaced = [{ hash: usedHash, at: now }, ...device.replaced.filter(({ at }) => at > now - grace)]
  return { ...device, current: sha256(secret), replaced, ...placeOf(request), lastUsedAt: now }
}

/**
 * `next`: to be rotated; `late`: replaced a moment ago by a tab of the same browser; `copied`: nobody should hold it.
 */
export function useOf(device: DeviceRecord, hash: string, graceFrom: number): 'next' | 'late' | 'copied' {
  if (equalSecrets(device.current, hash)) return 'next'
  const index = device.replaced.findIndex((replaced) => equalSecrets(replaced.hash, hash))
  const replaced = device.replaced[index]
  if (replaced === undefined) return 'copied'
  if (replaced.at > graceFrom) return 'late'
  // The secret that replaced it has never been presented: the answer that carried it was lost.
  return index === 0 ? 'next' : 'copied'
}

/** Why today's policy does not accept the device; undefined: it does. */
export function refusalOf(device: DeviceRecord, terms: DeviceTerms, now: number): 'expired' | 'method' | undefined {
  const endsAt = Math.min(device.expiresAt, device.provenAt + terms.rememberDays * DAY)
  if (now >= endsAt) return 'expired'
  return terms.methods.includes(device.method) ? undefined : 'method'
}

/** Whether password, factors and sessions of the account are still those of the day the device was remembered. */
export function sameEpochs(device: DeviceRecord, account: Account): boolean {
  return (
    device.passwordEpoch === account.passwordEpoch &&
    device.factorEpoch === account.factorEpoch &&
    device.sessionEpoch === account.sessionEpoch
  )
}

/** What the audit hears of a device; `ip`: where it was used. */
export function auditEventOf(
  event: AuditEventName,
  device: DeviceRecord,
  { ip, reason }: { ip?: string; reason?: string } = {},
): AuditEvent {
  const outcome = event === 'device.reuse_detected' ? 'fail' : 'ok'
  return { event, outcome, account: device.accountId, ip, details: { device: device.id, reason } }
}

/** What others may see of it: no secrets, no epochs. */
export function viewOf(device: DeviceRecord): RememberedDevice {
  const { id, accountId, method, provenAt, expiresAt, userAgent, ip, createdAt, lastUsedAt } = device
  return { id, accountId, method, provenAt, expiresAt, userAgent, ip, createdAt, lastUsedAt }
}

const placeOf = ({ ip, userAgent }: Origin): { ip: string; userAgent: string } => ({ ip, userAgent })
