import type { Account } from '../../src/accounts/account.ts'
import { LEVELS } from '../../src/mfa/assurance/levels.ts'
import type { Authenticator, Ceremony } from '../../src/mfa/factors/authenticator.ts'
import { createRegistry } from '../../src/mfa/factors/registry.ts'

const CEREMONY: Ceremony = {
  challengeless: true,
  begin: async () => ({ ok: true, challenge: undefined }),
  show: async () => ({}),
  finish: async () => ({ ok: true, record: {} }),
}

/** A kind that is bound at the sign-in and proved by anything; nothing of it is configured. */
export function authenticatorOf(type: string, given: Partial<Authenticator>): Authenticator {
  return {
    type,
    amr: [],
    assurance: LEVELS.closed('mfa'),
    distinctFactor: true,
    maxPerAccount: 5,
    challenge: { ttl: 60_000, attempts: 5 },
    usableUnbound: () => false,
    bind: CEREMONY,
    verify: CEREMONY,
    ...given,
  }
}

export const registryOf = (...authenticators: Authenticator[]) => createRegistry(authenticators)

/** Somebody with an address, in no group, unless something else is given. */
export function accountOf(id: string, given: Partial<Account> = {}): Account {
  return {
    id,
    username: 'somebody',
    email: 'somebody@example.test',
    emailVerified: false,
    name: undefined,
    groups: [],
    admin: false,
    locale: undefined,
    disabled: false,
    passwordEpoch: 0,
    factorEpoch: 0,
    sessionEpoch: 0,
    createdAt: 0,
    updatedAt: 0,
    ...given,
  }
}
