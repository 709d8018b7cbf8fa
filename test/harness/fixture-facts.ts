import type { SerializedCookieJar } from 'tough-cookie'

/** A user of a fixture, with what only they and their phone know. */
export interface FixturePerson {
  username: string
  email: string
  password: string
  app?: FixtureApp
}

export interface FixtureApp {
  /** Base32. */
  secret: string
  /** The last step of 30 s whose code was taken. */
  lastStep: number
}

/**
 * What a fixture holds, in the words of those who use it: everything that somebody has in hand when the installation is
 * copied.
 */
export interface FixtureFacts {
  /** The program that wrote it. */
  commit: string
  /** Milliseconds since the epoch: the moment at which it was copied. */
  takenAt: number
  people: Record<string, FixturePerson>
  /** By whom they are used. */
  browsers: Record<string, SerializedCookieJar>
  /** Client addresses of those whose address is what counts. */
  addresses: Record<string, string>
  /** Where sign-ins and pages under way stand. */
  pages: Record<string, string>
  /** One-time codes that were mailed, shown or handed out, and not used; `used…` were. */
  codes: Record<string, string>
  /** What relying parties hold. */
  tokens: Record<string, string>
  /** Of ID tokens, as they were, by whose session it is. */
  claims: Record<string, Record<string, unknown>>
  /** Ids of the published signing keys. */
  keys: string[]
  /** Whose letter was written while the mail server was gone. */
  waiting: { to: string }
  /** Events of the audit log at the end, with their numbers. */
  audit: Record<string, number>
}
