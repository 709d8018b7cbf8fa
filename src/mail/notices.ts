import type { Mail } from '../kernel/mail.ts'

/** What owners are told about their account (FB-8, G4); each is a text below `mail.notice` in the locales. */
export const NOTICE_KINDS = [
  'factor-added',
  'factor-removed',
  'factor-shown',
  'factors-reset',
  'factor-locked',
  'recovery-new',
  'recovery-used',
  'bypass-issued',
  'device-remembered',
  'device-copied',
  'password-changed',
  'password-reset',
  'address-changed',
  'sign-in-failed',
  'account-disabled',
  'session-disowned',
] as const

export type NoticeKind = (typeof NOTICE_KINDS)[number]

export interface NoticeFacts {
  /** Milliseconds since the epoch. */
  time: number
  /** Of the request; absent for what an administrator did. */
  ip?: string | undefined
  /** User-Agent header. */
  browser?: string | undefined
  /** Type of the authenticator it was about; a text below `methods` in the locales. */
  factor?: string | undefined
  /** What it was about: the name of an app, the masked new address. */
  subject?: string | undefined
}

/** An account, as far as letters need it. */
interface Owner {
  id?: string
  email: string | undefined
  locale: string | undefined
}

export interface Notices {
  /**
   * The letters that tell of it, for `Change.mails`: to the account's address, and to `also` (the one before a change).
   * None where no mail is configured or no address is known.
   */
  of(kind: NoticeKind, account: Owner, facts: NoticeFacts & { also?: string | undefined }): Mail[]
}

export function createNotices(options: {
  /** Whether letters can be sent at all. */
  mail: boolean
  serviceName: string
  /** The default. */
  locale: string
  /** Where the owner looks after their account. */
  accountUrl: string
}): Notices {
  const { mail, serviceName, locale, accountUrl } = options
  return {
    of(kind, { id, email, locale: wanted = locale }, { also, ...facts }) {
      if (!mail) return []
      const addresses = new Set([email, also].filter((address) => address !== undefined))
      const link = LOCKED_OUT.has(kind) ? undefined : accountUrl
      const data = { kind, service: serviceName, account: link, ...facts }
      return [...addresses].map((to) => ({ to, template: 'notice', locale: wanted, data, account: id }))
    },
  }
}

/** Their reader has no account page to go to. */
const LOCKED_OUT: ReadonlySet<NoticeKind> = new Set(['account-disabled'])
