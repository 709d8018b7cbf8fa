import type { Account } from '../../accounts/account.ts'

/**
 * A browser whose owner proved a second factor and wished to be spared the next ones (TD-1: it never counts as a
 * factor).
 */
export interface RememberedDevice {
  id: string
  accountId: string
  /** The second factor that was proved. */
  method: string
  /**
   * When it was proved; the life of the device counts from here alone (TD-4). Milliseconds since the epoch, as all
   * times here.
   */
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
  /** The language of the page: mails are written in it, unless the owner has chosen another one. */
  locale?: string
}

/** What a browser gets that presents the cookie of a remembered device. */
export type Presented =
  /** `cookie`: the value the browser must hold from now on; absent: the one it holds, or is being given, stays. */
  | { ok: true; id: string; provenAt: number; expiresAt: number; cookie?: string }
  | { ok: false; reason: 'unknown' | 'reused' | 'expired' | 'stale' | 'method' }

export interface RememberedDevices {
  /**
   * Remembers this browser and answers the value of its cookie. `account` is of after the proof: a binding made by it
   * has raised the factor epoch. `existing` is the cookie the browser already holds: its device of the same account is
   * forgotten.
   */
  remember(
    proved: { account: Account; method: string; provenAt: number; rememberDays: number; request: Origin },
    existing?: string,
  ): Promise<string>
  /**
   * Whether the browser that holds this value is remembered under today's terms. The value rotates with each use; the
   * one before stays good until the new one has been presented, and every replaced one for the grace time, so that lost
   * responses and parallel tabs do no harm. Any other secret of a known device has been copied: the device is revoked,
   * its owner told (TD-5). Changed epochs end it (TD-3, TD-6).
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
