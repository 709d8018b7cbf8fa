import type { Account } from './account.ts'
import type { AccountStore } from './account-store.ts'

/**
 * What became of a password. Whose it is may be told to whoever knows it, and to nobody else: a checker that has more
 * to say than `wrong` (a password has expired, an account is locked elsewhere) finds that out after the right password
 * only, and says so in a reason of its own. A disabled account is `ok` here, and the caller answers as for a wrong
 * password (EN-1).
 */
export type PasswordVerdict = { ok: true; account: Account } | { ok: false; reason: 'wrong' }

/** Whom a login names, before any password is judged. */
export interface PasswordClaim {
  /** Whose name it is, if it is somebody's; for the audit, which names nobody that does not exist (LG-3). */
  accountId: string | undefined
  /**
   * What limits count by, also for a name that nobody has (RL-5, EN-5). Callers count a try before they have it judged
   * (RL-4).
   */
  key: string
  /**
   * Judges one password, at the same cost for a name that nobody has (EN-2). Throws `UnavailableError` where it cannot
   * be judged: it was neither right nor wrong, and the try does not count (FA-6).
   */
  check(password: string): Promise<PasswordVerdict>
}

/** Who knows whether a password is somebody's: this installation itself, or a directory elsewhere. */
export interface PasswordChecker {
  /** By user name or address, any spelling `loginKey` makes equal. Throws `UnavailableError`. */
  claim(login: string): Promise<PasswordClaim>
}

/** Checks passwords whose hashes are kept with the accounts. */
export function createLocalPasswords(accounts: Pick<AccountStore, 'claimant'>): PasswordChecker {
  return {
    async claim(login) {
      const { accountId, key, authenticate } = await accounts.claimant(login)
      return {
        accountId,
        key,
        async check(password) {
          const account = await authenticate(password)
          return account === undefined ? { ok: false, reason: 'wrong' } : { ok: true, account }
        },
      }
    },
  }
}
