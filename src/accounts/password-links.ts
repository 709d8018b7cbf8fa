import { HOUR } from '../kernel/clock.ts'
import { equalSecrets, randomToken, sha256 } from '../kernel/secrets.ts'
import { textOfWords, wordsOf } from '../state/format.ts'
import { keyOf, type StateStore } from '../state/store.ts'
import type { Account } from './account.ts'
import type { AccountStore } from './account-store.ts'

/**
 * `activation`: an administrator hands it out. `reset`: it is mailed to whoever says to have forgotten the password.
 */
export type LinkKind = 'activation' | 'reset'

/** Milliseconds a link may wait for its owner (PW-13, PW-16). */
export const LINK_TTL: Readonly<Record<LinkKind, number>> = { activation: 24 * HOUR, reset: HOUR }

/**
 * One-use tokens with which the owner of an account sets its password; only their hash is kept. An account has one of
 * each kind at a time, and it dies when the password or the address changes: until then whoever reads that address may
 * have it (PW-16).
 */
export interface PasswordLinks {
  /** A new token of 256 bits; the one before is dead. */
  create(account: Account): Promise<string>
  /** Whose token this is; it stays good. Undefined for disabled accounts too. */
  find(token: string): Promise<Account | undefined>
  /** The same, at most once. */
  take(token: string): Promise<Account | undefined>
  /** Ends the token the account may still have. */
  revoke(accountId: string): Promise<void>
}

export function createPasswordLinks(
  kind: LinkKind,
  { state, accounts }: { state: StateStore; accounts: Pick<AccountStore, 'find'> },
): PasswordLinks {
  const current = (accountId: string) => keyOf(`${kind}-of`, accountId)
  const keyFor = (hash: string) => keyOf(kind, hash)

  /** The account, if its newest token is this one and nothing has changed since. */
  async function ownerOf(hash: string, record: string | undefined): Promise<Account | undefined> {
    const [accountId = '', stamp = ''] = record === undefined ? [] : wordsOf(record, kind)
    if (record === undefined || (await state.get(current(accountId))) !== hash) return undefined
    const account = await accounts.find(accountId)
    return account !== undefined && !account.disabled && equalSecrets(stampOf(account), stamp) ? account : undefined
  }

  return {
    async create(account) {
      const token = randomToken()
      const hash = sha256(token)
      await state.set(keyFor(hash), textOfWords(account.id, stampOf(account)), LINK_TTL[kind])
      await state.set(current(account.id), hash, LINK_TTL[kind])
      return token
    },
    async find(token) {
      const hash = sha256(token)
      return ownerOf(hash, await state.get(keyFor(hash)))
    },
    async take(token) {
      const hash = sha256(token)
      // What cannot be read is not taken away from who can.
      wordsOf((await state.get(keyFor(hash))) ?? '', kind)
      return ownerOf(hash, await state.take(keyFor(hash)))
    },
    revoke: (accountId) => state.delete(current(accountId)),
  }
}

/** What must not have changed. */
function stampOf({ passwordEpoch, email }: Account): string {
  return sha256(`${passwordEpoch} ${email ?? ''}`)
}
