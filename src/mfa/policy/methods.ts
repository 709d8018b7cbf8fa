import type { MethodLookup } from '../assurance/assurance.ts'
import { LEVELS, type Level } from '../assurance/levels.ts'
import { type Demand, type Floors, isEnough } from './policy.ts'

/**
 * The methods, of those allowed, whose success would bring one of `levels` about and the floor too, in the order
 * offered.
 */
export function methodsFor(
  demanded: Pick<Demand, 'methods'> & Floors,
  levels: readonly Level[],
  lookup: MethodLookup,
): string[] {
  return reaching(demanded.methods, { ...demanded, levels, lookup })
}

/** The same of the fallbacks. */
export function fallbacksFor(
  demanded: Pick<Demand, 'fallbacks'> & Floors,
  levels: readonly Level[],
  lookup: MethodLookup,
): string[] {
  return reaching(demanded.fallbacks, { ...demanded, levels, lookup })
}

function reaching(
  types: readonly string[],
  { levels, lookup, ...floors }: Floors & { levels: readonly Level[]; lookup: MethodLookup },
): string[] {
  return types.filter((type) => {
    const method = lookup(type)
    if (method === undefined) return false
    const reached = new Set([...LEVELS.ofPassword, ...method.assurance])
    return isEnough(reached, { ...floors, requested: levels })
  })
}
