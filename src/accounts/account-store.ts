import type { Change } from '../audit/audit.ts'
import type { Account } from './account.ts'

/** Who may sign in, and whether this password is theirs. */
export interface AccountStore {
  /** By id. Disabled accounts are found too: the caller decides. */
  find(id: string): Promise<Account | undefined>
  /** By user name or address, any spelling `loginKey` makes equal. */
  findByLogin(login: string): Promise<Account | undefined>
  /**
   * Whom a login names, with the one way to find out whether a password is theirs: a single read, so that limits can
   * count first.
   */
  claimant(login: string): Promise<Claimant>
  /**
   * The account whose password this is, disabled ones too (the caller answers those like a wrong password, EN-1);
   * undefined for a wrong password or an unknown name, at the cost of one hash either way (EN-2). A weaker stored hash
   * is renewed. Throws `UnavailableError` when the hasher's queue is full (DO-1).
   */
  authenticate(login: string, password: string): Promise<Account | undefined>
}

interface Claimant {
  /** Whose name it is; for the audit, which names nobody that does not exist (LG-3). */
  accountId: string | undefined
  /**
   * The account's id, or for a name nobody has the form in which names are compared: what limits count by (RL-5, EN-5).
   */
  key: string
  /** As `authenticate`. */
  authenticate(password: string): Promise<Account | undefined>
}

export interface NewAccount {
  username: string
  email?: string | undefined
  name?: string | undefined
  groups?: string[]
  admin?: boolean
  /** PHC string; absent: no password yet. */
  passwordHash?: string | undefined
}

export interface AccountChanges {
  /**
   * null removes it. Another one than before clears `emailVerified`, unless that is given too, ends the factor that was
   * bound by a code sent to it, and raises the factor and session epochs: what was proved with the old one ends with it
   * (EM-12).
   */
  email?: string | null
  name?: string | null
  groups?: string[]
  admin?: boolean
  locale?: string | null
  emailVerified?: boolean
  /** Marks the address as verified if it is still this one, and changes nothing about it else. */
  verifiedEmail?: string
}

/**
 * A name or address that another account already signs in with (CVE-2024-1722: names and addresses share one space).
 */
export class LoginTakenError extends Error {
  override name = 'LoginTakenError'
  readonly login: string
  constructor(login: string) {
    super(`${login} is in use by another account`)
    this.login = login
  }
}

/** The account a change was meant for does not exist: it was not made. */
export class AccountGoneError extends Error {
  override name = 'AccountGoneError'
  constructor() {
    super('the account does not exist')
  }
}

/** What admins do. Every change writes its audit row in the same transaction (LG-4). Where nothing else is
 *  said, a change throws `AccountGoneError` when there is no such account. */
export interface AccountAdmin extends AccountStore {
  /** Throws `LoginTakenError`. The audit row names the new account. */
  insert(account: NewAccount, audit: Change): Promise<Account>
  /**
   * All of them or none. Throws `LoginTakenError`. Each audit row names its new account; `progress` hears how many are
   * written so far, of which none is there before the end.
   */
  insertMany(
    entries: readonly { account: NewAccount; audit: Change }[],
    progress?: (written: number) => void,
  ): Promise<void>
  /** Those of these names and addresses that somebody signs in with, in the form in which names are compared. */
  taken(logins: readonly string[]): Promise<ReadonlySet<string>>
  /** Throws `LoginTakenError`; undefined when the account is gone. */
  update(id: string, changes: AccountChanges, audit: Change): Promise<Account | undefined>
  /** Raises the password and session epochs: sessions, remembered devices and refresh tokens are dead (PW-12). */
  setPassword(id: string, passwordHash: string, audit: Change): Promise<void>
  /**
   * The same, as long as nobody has set another password since `epoch`, the password epoch, was read: false then, and
   * nothing changed. Who knows the old password must not undo what an administrator sets in that moment.
   */
  replacePassword(id: string, given: { passwordHash: string; epoch: number }, audit: Change): Promise<boolean>
  /** Raises the session epoch. */
  setDisabled(id: string, disabled: boolean, audit: Change): Promise<void>
  /** Raises the session and factor epochs: sessions, remembered devices and refresh tokens are dead. */
  endEverything(id: string, audit: Change): Promise<void>
  /** Removes the account with its bindings and counters. */
  remove(id: string, audit: Change): Promise<void>
  /**
   * In the order of `loginKey` of the user names; all of them unless `limit` is given. `after` is the last user name of
   * the page before.
   */
  list(page?: { after?: string; limit?: number }): Promise<Account[]>
  count(): Promise<number>
  /** Accounts without an address that are not disabled (C6). */
  withoutEmail(): Promise<Account[]>
}
