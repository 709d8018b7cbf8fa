import { HOUR } from '../kernel/clock.ts'
import { randomToken, sha256 } from '../kernel/secrets.ts'
import { keyOf, type StateStore } from '../state/store.ts'

/** How long a link may wait for its owner (PW-13). */
export const ACTIVATION_TTL = 24 * HOUR

/** One-use tokens with which the owner of an account sets its password; only their hash is kept. An account has one at a time. */
export interface Activations {
  /** A new token of 256 bits; the one before is dead. */
  create(accountId: string): Promise<string>
  /** The account whose token this is; the token stays good. */
  find(token: string): Promise<string | undefined>
  /** The same, at most once. */
  take(token: string): Promise<string | undefined>
  /** Ends the token the account may still have. */
  revoke(accountId: string): Promise<void>
}

export function createActivations({ state }: { state: StateStore }): Activations {
  const current = (accountId: string) => keyOf('activation-of', accountId)
  const keyFor = (hash: string) => keyOf('activation', hash)

  /** The account, if its newest token is this one. */
  async function ownerOf(hash: string, accountId: string | undefined): Promise<string | undefined> {
    if (accountId === undefined) return undefined
    return (await state.get(current(accountId))) === hash ? accountId : undefined
  }

  return {
    async create(accountId) {
      const token = randomToken()
      const hash = sha256(token)
      await state.set(keyFor(hash), accountId, ACTIVATION_TTL)
      await state.set(current(accountId), hash, ACTIVATION_TTL)
      return token
    },
    async find(token) {
      const hash = sha256(token)
      return ownerOf(hash, await state.get(keyFor(hash)))
    },
    async take(token) {
      const hash = sha256(token)
      return ownerOf(hash, await state.take(keyFor(hash)))
    },
    revoke: (accountId) => state.delete(current(accountId)),
  }
}
