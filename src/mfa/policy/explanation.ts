import type { AcrNames } from '../assurance/acr.ts'
import { type MethodLookup, satisfiedBy } from '../assurance/assurance.ts'
import { LEVELS, type Level, PASSWORD } from '../assurance/levels.ts'
import { methodsFor } from './methods.ts'
import { missing } from './missing.ts'
import type { Demand, SecondFactor } from './policy.ts'

/** A demand in words, for the person who wrote the rules: what `policy explain --json` prints. */
export interface Explanation {
  rule: string | null
  secondFactor: SecondFactor
  require: Level
  methods: readonly string[]
  rememberDays: number
  deny: boolean
  /** What the token would say after a sign-in that does what is asked; null: there would be none. */
  acr: string | null
  reasons: readonly string[]
}

/** What the sign-in would meet. `usable`: types the account can verify with now, the likeliest first. */
export function explain(
  demanded: Demand,
  facts: { usable: readonly string[]; acrValues: readonly string[] },
  dependencies: { acr: AcrNames; lookup: MethodLookup },
): Explanation {
  const { rule, secondFactor, require, methods, rememberDays, deny } = demanded
  const { proofs, reasons } = signInUnder(demanded, facts.usable, dependencies.lookup)
  const levels = satisfiedBy(proofs, dependencies.lookup)
  const best = LEVELS.highest(levels)
  const reached = !deny && best !== undefined && enough(demanded, proofs, levels)
  return {
    rule,
    secondFactor,
    require,
    methods,
    rememberDays,
    deny,
    acr: reached ? dependencies.acr.emitted(levels, facts.acrValues, { best, floor: require }) : null,
    reasons: [...demanded.reasons, ...reasons],
  }
}

type Proofs = { method: string; at: number }[]

function enough(demanded: Demand, proofs: Proofs, levels: ReadonlySet<Level>): boolean {
  const proved = proofs.map(({ method }) => method)
  return missing(demanded, { levels, proved, remembered: false }) === undefined
}

/** The proofs of a sign-in by password and, where that is not enough, the likeliest factor. */
function signInUnder(
  demanded: Demand,
  usable: readonly string[],
  lookup: MethodLookup,
): { proofs: Proofs; reasons: string[] } {
  const password = { method: PASSWORD, at: 0 }
  const standing = { levels: LEVELS.ofPassword, proved: [PASSWORD], remembered: false }
  const lacking = missing(demanded, standing)
  if (lacking === undefined) return { proofs: [password], reasons: ['the password alone is enough'] }
  const fitting = methodsFor(demanded, lacking.levels, lookup)
  const known = usable.find((type) => fitting.includes(type))
  const type = known ?? fitting[0]
  if (type === undefined) return { proofs: [password], reasons: ['no allowed method reaches what is asked'] }
  const how = known === undefined ? `${type} would be bound first` : `${type} would be asked for`
  return { proofs: [password, { method: type, at: 0 }], reasons: [how] }
}
