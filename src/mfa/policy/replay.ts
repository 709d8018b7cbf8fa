import { LEVELS, type Levels } from '../assurance/levels.ts'
import { missing } from './missing.ts'
import type { Demand } from './policy.ts'

/** How a sign-in of the past would have gone under another policy, as against today's. */
export type ReplayOutcome = 'same' | 'more' | 'less' | 'denied'

/** Compares what two demands ask of the same person in the same place, remembered devices aside. */
export function compare(before: Demand, after: Demand, levels: Levels = LEVELS): ReplayOutcome {
  const [was, would] = [weightOf(before, levels), weightOf(after, levels)]
  if (would === was) return would === NOTHING || sameMethods(before, after) ? 'same' : 'more'
  if (would === DENIED) return 'denied'
  return would > was ? 'more' : 'less'
}

const NOTHING = 0
const DENIED = Number.POSITIVE_INFINITY

/**
 * What a demand costs a person beyond the password: nothing, a step to a level, the more the stronger it is, or no
 * way in.
 */
function weightOf(demanded: Demand, { ofPassword, rankOf }: Levels): number {
  if (demanded.deny) return DENIED
  const lacking = missing(demanded, { levels: ofPassword, proved: [], remembered: false })
  if (lacking === undefined) return NOTHING
  return Math.max(...lacking.levels.map(rankOf), rankOf(demanded.require))
}

/** Whoever could use a method before can use it still. */
function sameMethods(before: Demand, after: Demand): boolean {
  return before.methods.every((type) => after.methods.includes(type))
}
