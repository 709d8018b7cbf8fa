import type { Level } from '../assurance/assurance.ts'
import { missing } from './missing.ts'
import type { Demand } from './policy.ts'

/** How a sign-in of the past would have gone under another policy, as against today's. */
export type ReplayOutcome = 'same' | 'more' | 'less' | 'denied'

/** What a demand costs a person: nothing, a step, a real factor, no way in. */
const WEIGHT: Record<Level, number> = { pwd: 0, '2sv': 1, mfa: 2, phr: 3, phrh: 4 }
const DENIED = 5

/** Compares what two demands ask of the same person in the same place, remembered devices aside. */
export function compare(before: Demand, after: Demand): ReplayOutcome {
  const [was, would] = [weightOf(before), weightOf(after)]
  if (would === was) return sameMethods(before, after) ? 'same' : 'more'
  if (would === DENIED) return 'denied'
  return would > was ? 'more' : 'less'
}

function weightOf(demanded: Demand): number {
  if (demanded.deny) return DENIED
  const standing = { levels: new Set<Level>(['pwd']), proved: [], remembered: false }
  const lacking = missing(demanded, standing)
  if (lacking === undefined) return 0
  return Math.max(...lacking.levels.map((level) => WEIGHT[level]), WEIGHT[demanded.require])
}

/** Whoever could use a method before can use it still. */
function sameMethods(before: Demand, after: Demand): boolean {
  return weightOf(after) === 0 || before.methods.every((type) => after.methods.includes(type))
}
