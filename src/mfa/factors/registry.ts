import type { AuthenticatorBlocks } from '../../config/schema/block.ts'
import { LEVELS, PASSWORD } from '../assurance/levels.ts'
import type { Authenticator, AuthenticatorKind } from './authenticator.ts'
import { emailOtp } from './email-otp/kind.ts'
import { recoveryCode } from './recovery-code/kind.ts'
import { totp } from './totp/kind.ts'

/** Every kind of second factor there is; a further one is one line here. */
export const KINDS: readonly AuthenticatorKind[] = [emailOtp, totp, recoveryCode]

/** Their parts of the file. */
export const BLOCKS: AuthenticatorBlocks = Object.fromEntries(
  KINDS.flatMap(({ type, block }) => (block === undefined ? [] : [[type, block]])),
)

/** The kinds of second factor this installation has. */
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
