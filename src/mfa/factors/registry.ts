import type { AuthenticatorBlocks } from '../../config/schema/block.ts'
import { LEVELS, PASSWORD } from '../assurance/levels.ts'
import type { Authenticator, AuthenticatorKind } from './authenticator.ts'
import { emailOtp } from './email-otp/kind.ts'
import { recoveryCode } from './recovery-code/kind.ts'
import { totp } from './totp/kind.ts'

/** Every kind of second factor there is; a further one is one line here. */
export const KINDS: readonly AuthenticatorKind[] = [emailOtp, totp, recoveryCode]

/** The parts of the file of those kinds that can be listed in it. */
export function blocksOf(kinds: readonly AuthenticatorKind[]): AuthenticatorBlocks {
  return Object.fromEntries(
    kinds.flatMap(({ type, schema, requires }) => (schema === undefined ? [] : [[type, { schema, requires }]])),
  )
}

export const BLOCKS: AuthenticatorBlocks = blocksOf(KINDS)

/** Types whose bindings end with the address: who has another one has not entered a code sent there. */
export function boundToAddress(kinds: readonly AuthenticatorKind[]): string[] {
  return kinds.filter(({ boundTo }) => boundTo === 'address').map(({ type }) => type)
}

/** Some kinds of second factor: those that can work here, or those of them that the file uses. */
export interface Registry {
  get(type: string): Authenticator | undefined
  /** In the order given. */
  list(): readonly Authenticator[]
  types(): readonly string[]
}

/**
 * Throws for a type given twice, because a binding must belong to one authenticator; and for one whose proof would say
 * what only a password's does.
 */
export function createRegistry(authenticators: readonly Authenticator[]): Registry {
  const byType = new Map(authenticators.map((authenticator) => [authenticator.type, authenticator]))
  if (byType.size !== authenticators.length) throw new Error('an authenticator type is registered twice')
  for (const { type, assurance, alone } of authenticators) {
    const worth = assurance.union(alone?.assurance ?? new Set())
    if (type === PASSWORD || !worth.isDisjointFrom(LEVELS.ofPassword)) throw new Error(`${type} is no password`)
  }
  return {
    get: (type) => byType.get(type),
    list: () => [...byType.values()],
    types: () => [...byType.keys()],
  }
}
