import type { Account } from '../../accounts/account.ts'
import type { AuditEvent, AuditEventName } from '../../audit/audit.ts'
import type { AuthenticatorBlock, Requirement } from '../../config/schema/block.ts'
import type { Mailer } from '../../mail/mailer.ts'
import type { NoticeKind } from '../../mail/notices.ts'
import type { TextTree } from '../../views/texts.ts'
import type { MethodAssurance } from '../assurance/method-assurance.ts'
import type { Binding } from './binding-store.ts'

/** What a ceremony knows of the world. */
export interface CeremonyContext {
  account: Account
  /** Milliseconds since the epoch. */
  now: number
  /** BCP 47: the language of the page and of mails. */
  locale: string
  /** For the mail's "where from": shown, never trusted. */
  request: { ip: string; userAgent: string }
}

/** Why a ceremony did not succeed: precise inside; pages answer `mismatch` and `replayed` with the same words. */
export type RefusalReason =
  | 'mismatch'
  | 'replayed'
  | 'expired'
  | 'clock'
  | 'throttled'
  | 'locked'
  | 'mail'
  | 'no-address'
  | 'unusable'

export interface Refusal {
  ok: false
  reason: RefusalReason
  /** Milliseconds; `throttled` and `mail`. */
  retryAfter?: number
  /** `clock`: by how much the two clocks differ, in minutes, as far as one can tell. */
  minutes?: number
}

/** What the page of a ceremony shows: strings and numbers for the view of this type, nothing else. */
export type Show = Record<string, string | number | boolean | undefined>

export type Finished =
  /**
   * `record`: what the binding holds from now on; `binding`: which one, absent for a new one; `address`: the
   * account's address of which this proof shows that its owner reads it; `sideEffect`: what else is written and
   * mailed in the change that makes this use; `opens`: this proves nothing, and only lets the owner bind another
   * authenticator.
   */
  | { ok: true; record: unknown; binding?: Binding; address?: string; sideEffect?: SideEffect; opens?: 'binding' }
  /**
   * `recordOnRefusal`: what a binding holds from now on although nobody got in; if that cannot be written, the answer
   * is `mismatch`.
   */
  | (Refusal & { recordOnRefusal?: { binding: Binding; record: unknown } })

/** What a use brings about beside letting somebody in: an event of its own, a mail, the end of remembered devices. */
export interface SideEffect {
  event: AuditEventName
  notice?: NoticeKind
  details?: AuditEvent['details']
  /** Remembered devices end with it (TD-6). */
  ends?: 'devices'
}

export interface FinishInput<Challenge> {
  /** This account's bindings of this type. */
  bindings: Binding[]
  challenge: Challenge
  /** The form field `code`, as typed. */
  code: string
  context: CeremonyContext
}

/**
 * One half of an authenticator's life. It stores nothing and knows no HTTP; the verifier keeps the promises around
 * it.
 */
export interface Ceremony<Challenge = unknown> {
  /**
   * There is nothing to keep between showing and finishing: `begin` is not called, `show` and `finish` get
   * `undefined`.
   */
  challengeless?: true
  /** Makes the challenge we keep until `finish`, and sends what must be sent. */
  begin(bindings: Binding[], context: CeremonyContext): Promise<{ ok: true; challenge: Challenge } | Refusal>
  /** What the page sees of a challenge; called at each showing. */
  show(challenge: Challenge, context: CeremonyContext): Promise<Show>
  finish(input: FinishInput<Challenge>): Promise<Finished>
}

/** What an account has left of a fallback. */
export interface Reserve {
  /** Uses that prove a second factor. */
  codes: number
  /** Whether it can open the binding of another authenticator. */
  bypass: boolean
}

/** For whoever has lost what they usually sign in with. */
interface Fallback {
  /** `bindings`: the account's; `now`: milliseconds since the epoch. */
  reserve(bindings: readonly Binding[], now: number): Reserve
}

/** A kind of second factor: everything the rest of the house may ask of it. */
export interface Authenticator extends MethodAssurance {
  type: string
  maxPerAccount: number
  /** How long a challenge lives, and after how many wrong answers it is dead. Milliseconds. */
  challenge: { ttl: number; attempts: number }
  /** Waits and caps for making a new challenge on the user's wish; absent where a challenge is not sent. */
  resend?: { after: number; perInteraction: number; perHour: number; perDay: number }
  /** Whether an account can verify with it without having bound it: true for a mailbox on record (FB-2, B3). */
  usableUnbound(account: Account): boolean
  /** What tells the owner which one this is, such as a masked address; shown after the password alone (EN-3). */
  detail?(account: Account): string | undefined
  /** Absent: binding happens by the first verification, or for a fallback not at sign-in at all. */
  bind?: Ceremony
  /**
   * Present: accepted wherever some second factor is, whatever `methods` lists; offered last, where something of it
   * is left, and never opened by itself; nobody is remembered after it, and having it bound asks nobody for a second
   * factor (RC-6, TD-8).
   */
  fallback?: Fallback
  verify: Ceremony
  /**
   * What the page of `bind` showed of this binding; the caller has made sure that its owner asks (TO-8). Absent:
   * never again.
   */
  reshow?(binding: Binding, context: CeremonyContext): Promise<Show>
}

/** What the kinds of authenticator are made with. */
export interface KindDependencies {
  /** Undefined where no mail is configured. */
  mailer: Mailer | undefined
  /** The installation's; a kind derives its own from it. */
  secretKey: Buffer
  /** The name people know this service by. */
  serviceName: string
  limits: { mailsPerInteraction: number; mailsPerDay: number }
  /** How many codes a set has (`mfa.recoveryCodes`); 0: off. */
  recoveryCodes: number
}

/** A page of a ceremony as the program reads that makes a trial sign-in for an administrator. */
export interface TrialPage {
  /** Text of the first element in its form that has this attribute, such as `data-secret`. */
  text(attribute: string): string | undefined
  /** The code in the last mail to the account; undefined: none came. */
  mailedCode: string | undefined
  /** Milliseconds since the epoch. */
  now: number
}

/**
 * One line of the registry: a kind of authenticator, what it is for whoever only lists kinds, and how the file makes
 * one of it.
 */
export interface AuthenticatorKind {
  type: string
  /**
   * The schema of its part of the file, with which it may stand in `methods`. Absent: it is always there, and never
   * listed.
   */
  schema?: AuthenticatorBlock['schema']
  /** Where one of these is missing, the kind is not there, and a file that lists it is refused. */
  requires: readonly Requirement[]
  /** `address`: its binding is worth what the address on record is, and ends when that changes (EM-12). */
  boundTo: 'address' | undefined
  /**
   * Whether it confirms, before a first authenticator is bound, that somebody is the owner, also where policy does
   * not accept it as a factor (`mfa.enrolment.guard`).
   */
  guardsEnrolment: boolean
  /** When `methods: auto` takes it: where the mail server answers, where it does not, or never. */
  auto: 'with-mail' | 'without-mail' | 'never'
  /**
   * The folder that is laid beside `views/`, and texts by language beside `locales/`, for a kind that has its own
   * elsewhere.
   */
  pages?: { views: string; texts: Readonly<Record<string, TextTree>> }
  /** `options`: what its schema made of the file. */
  create(options: unknown, dependencies: KindDependencies): Authenticator
  /** What the owner would type into the field `code` of this page. Absent: nobody can answer without a person. */
  trial?(page: TrialPage, options: unknown): string | undefined
}
