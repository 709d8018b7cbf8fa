import type { Authenticator } from './authenticator.ts'

/** The kinds of second factor this installation has. */
export interface Registry {
  get(type: string): Authenticator | undefined
  /** In the order given. */
  list(): readonly Authenticator[]
  types(): readonly string[]
}

/** Throws for a type given twice: a binding must belong to one authenticator. */
export function createRegistry(authenticators: readonly Authenticator[]): Registry {
  const byType = new Map(authenticators.map((authenticator) => [authenticator.type, authenticator]))
  if (byType.size !== authenticators.length) throw new Error('an authenticator type is registered twice')
  return {
    get: (type) => byType.get(type),
    list: () => [...byType.values()],
    types: () => [...byType.keys()],
  }
}
