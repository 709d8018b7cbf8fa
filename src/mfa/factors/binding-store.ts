import type { Change } from '../../audit/audit.ts'

/** An authenticator bound to an account (NIST SP 800-63B-4, 4.1). Times are milliseconds since the epoch. */
export interface Binding {
  id: string
  accountId: string
  /** The authenticator's type, as the registry, the configuration and the pages name it: `totp`, `email`. */
  type: string
  label: string | undefined
  /** What the authenticator keeps, in its own shape; sealed at rest with the row's identity (KM-5). */
  record: unknown
  /** Rises with each `replace`. */
  version: number
  boundAt: number
  lastUsedAt: number | undefined
}

export interface BindingStore {
  /**
   * Oldest first. A record that cannot be opened makes this throw: a factor that cannot be read is never "no factor"
   * (KM-6, FA-7).
   */
  list(accountId: string): Promise<Binding[]>
  /**
   * Raises the account's factor epoch in the same transaction and writes `audit`. False when the account already has
   * `maxOfType` of this type, or a binding with this id. `endsSignIns`: the session epoch rises too, so that sign-ins
   * under way and sessions end (FB-9); not for a binding made in a sign-in, which would end itself.
   */
  insert(
    binding: Omit<Binding, 'version' | 'lastUsedAt'>,
    options: { maxOfType: number; audit: Change; endsSignIns?: true | undefined },
  ): Promise<boolean>
  /**
   * Writes record and `lastUsedAt` only if the version is still `expected`: false *is* the replay protection (TO-4).
   * `audit` is written with it; so is `ends`, which also raises the factor epoch (TD-6).
   */
  replace(
    id: string,
    expected: number,
    change: { record: unknown; lastUsedAt: number; audit?: Change; ends?: Change },
  ): Promise<boolean>
  /**
   * Removes one of the account's own, raises the factor epoch, writes `audit`; `not-theirs` when it is not (FB-6).
   * `keep`: lists of types of each of which one has to remain; `last` when none would, however many try at once (FB-7).
   * `endsSignIns`: as for `insert`.
   */
  remove(
    accountId: string,
    id: string,
    options: { audit: Change; keep?: readonly (readonly string[])[]; endsSignIns?: true },
  ): Promise<'removed' | 'not-theirs' | 'last'>
  /** Gives one of the account's own another name, or none, and writes `audit`; false when it is not theirs (FB-6). */
  rename(accountId: string, id: string, change: { label: string | undefined; audit: Change }): Promise<boolean>
  /** Writes `audit` about one of the account's own, and changes nothing; false when it is not theirs (FB-6). */
  note(accountId: string, id: string, audit: Change): Promise<boolean>
  /** Removes all, clears the counters, raises factor and session epoch: `mfa reset`. The number removed. */
  removeAll(accountId: string, audit: Change): Promise<number>
  /**
   * Counts one attempt with an authenticator type and answers how many have now failed in a row, this one included;
   * durable, so that the hard cap outlives the state store (RL-1, RL-6).
   */
  countAttempt(accountId: string, type: string): Promise<number>
  /** A success of this type, or an administrator, ends its row of failures. */
  clearAttempts(accountId: string, type: string, audit?: Change): Promise<void>
  /** Failures in a row, by type; types without one are left out. */
  attempts(accountId: string): Promise<{ type: string; failures: number }[]>
}
