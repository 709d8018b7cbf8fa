import type { Account } from '../../accounts/account.ts'
import type { MethodLookup } from '../assurance/assurance.ts'
import type { Level } from '../assurance/levels.ts'
import type { Authenticator } from '../factors/authenticator.ts'
import type { Binding, BindingStore } from '../factors/binding-store.ts'
import { needsOf } from './needs.ts'
import { type Demand, demand, type OwnPage, type Policy } from './policy.ts'

/** One question to policy. */
export interface Question {
  account: Account
  client: { id: string; require: Level | undefined; own?: OwnPage | undefined }
  /** The client address, canonical. */
  address: string
  requested: readonly Level[] | undefined
}

/** Gathers the facts and asks the policy: prompts, pages and refresh all come through here. */
export interface Decider {
  demand(question: Question): Promise<Demand>
  /** The same with the account's bindings at hand. */
  demandWith(question: Question, bindings: readonly Binding[]): Demand
  /** Whether the account could prove a second factor that this demand accepts: by a binding, or a mailbox on record. */
  hasFactor(account: Account, demanded: Pick<Demand, 'methods'>): Promise<boolean>
  /** Lists of methods of each of which the account has to keep one that it has (FB-7). */
  needs(account: Account): string[][]
  lookup: MethodLookup
}

interface DeciderDependencies {
  policy: Policy
  authenticators: readonly Authenticator[]
  bindings: BindingStore
  /** Those that may want more than policy does. */
  clients?: readonly { client_id: string; require?: Level | undefined }[]
}

export function createDecider({ policy, authenticators, bindings, clients = [] }: DeciderDependencies): Decider {
  const byType = new Map(authenticators.map((authenticator) => [authenticator.type, authenticator]))
  const listed = [policy, ...policy.rules].flatMap(({ methods = [] }) => methods)
  const allowed = new Set([...listed, ...policy.fallbacks])
  const leftToAccounts = [policy, ...policy.rules].some(({ secondFactor }) => secondFactor === 'if-bound')
  const decider: Decider = {
    async demand(question) {
      // What is bound decides only where policy leaves it to the account, and what its owner must prove to see the
      // account page.
      const bound = leftToAccounts || question.client.own !== undefined ? await bindings.list(question.account.id) : []
      return decider.demandWith(question, bound)
    },
    demandWith({ account, client, address, requested }, bound) {
      return demand(policy, {
        client,
        address,
        requested,
        worth: (type) => decider.lookup(type)?.assurance,
        account: {
          groups: account.groups,
          bound: [...new Set(bound.map((binding) => binding.type))],
          usableUnbound: authenticators.filter((one) => one.usableUnbound(account)).map((one) => one.type),
        },
      })
    },
    async hasFactor(account, { methods }) {
      if (methods.some((type) => byType.get(type)?.usableUnbound(account))) return true
      return (await bindings.list(account.id)).some(({ type }) => methods.includes(type))
    },
    needs({ groups }) {
      const parties = clients.map(({ client_id, require }) => ({ id: client_id, require }))
      return needsOf(policy, { groups, clients: parties, lookup: decider.lookup })
    },
    // A factor of a kind that is not allowed anywhere any more counts nothing (B2).
    lookup: (method) => (allowed.has(method) ? byType.get(method) : undefined),
  }
  return decider
}
