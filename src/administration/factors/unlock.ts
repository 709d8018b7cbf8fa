import type { Account } from '../../accounts/account.ts'
import type { BindingStore } from '../../mfa/factors/binding-store.ts'
import { changeBy } from '../actor.ts'
import {
  type PersonDependencies,
  type PersonFacts,
  type PersonGone,
  type UnknownPerson,
  withPerson,
} from '../people/person.ts'

export interface UnlockFactorsDependencies extends PersonDependencies {
  bindings: Pick<BindingStore, 'attempts' | 'clearAttempts'>
  limits: { codeFailuresInARow: number }
}

/** `unlocked`: types of authenticators; none when nothing was locked. */
export interface FactorsUnlocked {
  ok: true
  account: Account
  unlocked: string[]
}

/** Lets somebody try the factors again that too many wrong codes in a row have locked (RL-1). */
export function unlockFactors(
  dependencies: UnlockFactorsDependencies,
  { actor, person }: PersonFacts,
): Promise<FactorsUnlocked | UnknownPerson | PersonGone> {
  const { bindings, limits } = dependencies
  return withPerson(dependencies, person, async (account) => {
    const attempts = await bindings.attempts(account.id)
    const locked = attempts.filter(({ failures }) => failures >= limits.codeFailuresInARow)
    for (const { type, failures } of locked) {
      const audit = changeBy(actor, 'factor.unlocked', { account, details: { factor: type, failures } })
      await bindings.clearAttempts(account.id, type, audit)
    }
    return { ok: true, account, unlocked: locked.map(({ type }) => type) }
  })
}
