import type { MethodLookup } from '../../mfa/assurance/assurance.ts'
import type { Authenticator } from '../../mfa/factors/authenticator.ts'
import type { Visitor } from '../section.ts'

/** A factor as the account page lists it. */
export interface ListedFactor {
  type: string
  /** What tells its owner which one it is, such as a masked address. */
  detail: string | undefined
  /** It is the address on record: nobody binds or removes it here. */
  fixed: boolean
  /** Whether policy accepts it anywhere. */
  used: boolean
  /** Whether its key can be shown once more. */
  shows: boolean
  /** Of a binding. */
  id?: string
  label?: string | undefined
  boundAt?: number
  lastUsedAt?: number | undefined
}

/** The visitor's factors, kind by kind in the order of the registry. */
export function listFactors(
  { account, bindings }: Pick<Visitor, 'account' | 'bindings'>,
  kinds: readonly Authenticator[],
  lookup: MethodLookup,
): ListedFactor[] {
  return kinds.flatMap((kind): ListedFactor[] => {
    const fixed = kind.usableUnbound(account)
    if (kind.bind === undefined && !fixed) return []
    const used = lookup(kind.type) !== undefined
    // An address that no policy accepts is no factor.
    if (fixed && !used) return []
    const shared = { type: kind.type, detail: kind.detail?.(account), fixed, used, shows: kind.reshow !== undefined }
    const bound = bindings.filter(({ type }) => type === kind.type)
    if (bound.length === 0) return fixed ? [shared] : []
    return bound.map(({ id, label, boundAt, lastUsedAt }) => ({ ...shared, id, label, boundAt, lastUsedAt }))
  })
}
