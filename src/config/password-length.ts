import { LEVELS, type Level } from '../mfa/assurance/levels.ts'
import type { Grace } from './schema/rules.ts'

/** PW-1: what stands alone has to be longer. */
const PASSWORD_ALONE = 15

interface PolicyTerms {
  secondFactor?: 'required' | 'if-bound' | 'off' | undefined
  grace?: Grace | undefined
}

interface RuleTerms extends PolicyTerms {
  require?: Level | undefined
  deny?: boolean | undefined
}

/**
 * Characters that a new password needs: more where policy lets anybody in by password alone, if only for a while
 * (PW-1).
 */
export function shortestPassword(
  policy: Required<PolicyTerms> & { rules: readonly RuleTerms[] },
  minLength: number,
): number {
  const { rules, ...otherwise } = policy
  const alone = [otherwise, ...rules].some((terms: RuleTerms) => {
    const { secondFactor = otherwise.secondFactor, grace = otherwise.grace, deny = false } = terms
    const enough = LEVELS.meets(LEVELS.ofPassword, terms.require ?? LEVELS.weakest)
    return !deny && enough && (secondFactor !== 'required' || grace !== 'none')
  })
  return alone ? Math.max(minLength, PASSWORD_ALONE) : minLength
}
