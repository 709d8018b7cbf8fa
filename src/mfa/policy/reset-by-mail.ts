import type { Config } from '../../config/config.ts'
import type { Policy } from './policy.ts'

export interface ResetFacts {
  mode: Config['passwords']['resetByMail']
  /** What holds where no rule says otherwise. */
  policy: Pick<Policy, 'secondFactor' | 'methods'>
  /** Types the account has bound. */
  bound: readonly string[]
  /** Types that are the mailbox itself. */
  mailed: ReadonlySet<string>
}

/**
 * Whether an account may get a link to a new password by mail. Where its second factor can only be a code to the same
 * mailbox, whoever reads that would have both (PW-16): also where it has none yet, because it would bind that one
 * first.
 */
export function mayResetByMail({ mode, policy, bound, mailed }: ResetFacts): boolean {
  if (mode !== 'withOtherFactor') return mode === 'always'
  const usable = bound.filter((type) => policy.methods.includes(type))
  const asked = policy.secondFactor === 'required' || usable.length > 0
  return !asked || usable.some((type) => !mailed.has(type))
}
