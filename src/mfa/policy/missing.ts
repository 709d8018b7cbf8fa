import { LEVELS, type Level, PASSWORD } from '../assurance/levels.ts'
import type { Proof } from '../factors/verifier.ts'
import { type Demand, shorter, unmetFloor } from './policy.ts'

/** Kinds of second factor whose proofs a demand accepts. */
type Accepted = Pick<Demand, 'methods' | 'fallbacks'>

const accepts = ({ methods, fallbacks }: Accepted, method: string): boolean =>
  methods.includes(method) || fallbacks.includes(method)

/** The proofs that count under this demand at a time: of a kind it accepts (B2), and each ages by itself (F3, SE-5). */
export function liveProofs(
  proofs: readonly Proof[],
  demanded: Accepted & Pick<Demand, 'maxAge' | 'factorMaxAge'>,
  at: number,
): readonly Proof[] {
  const { maxAge, factorMaxAge } = demanded
  const accepted = ({ method }: Proof): boolean => method === PASSWORD || accepts(demanded, method)
  const limitOf = ({ method }: Proof): number | undefined =>
    method === PASSWORD ? maxAge : shorter(maxAge, factorMaxAge)
  return proofs.filter((proof) => accepted(proof) && at - proof.at <= (limitOf(proof) ?? Number.POSITIVE_INFINITY))
}

/** Where a sign-in stands. */
export interface Standing {
  /** The levels satisfied by the live proofs. */
  levels: ReadonlySet<Level>
  /** Methods of the live proofs. */
  proved: readonly string[]
  /** A valid remembered device let this session or sign-in in. */
  remembered: boolean
}

export interface Missing {
  /** One of these has to be reached. */
  levels: readonly Level[]
  /**
   * Who wants it: what policy asks of its own accord can be spared by a remembered device or put off, the rest
   * cannot. `first`: nothing that may stand first was proved.
   */
  by: 'first' | 'floor' | 'request' | 'policy'
}

/** What is still missing for this demand; undefined: nothing is. */
export function missing(demanded: Demand, standing: Standing): Missing | undefined {
  const { levels } = standing
  if (levels.size === 0) return { levels: [...LEVELS.ofPassword], by: 'first' }
  const floor = unmetFloor(levels, demanded)
  if (floor !== undefined) return { levels: [floor], by: 'floor' }
  if (demanded.requested !== undefined && !demanded.requested.some((level) => levels.has(level))) {
    return { levels: demanded.requested, by: 'request' }
  }
  if (!demanded.asksSecondFactor) return undefined
  // A proof of a kind that is not offered any more makes no level, whatever a rule still lists.
  const proved = levels.has(LEVELS.secondFactor) && standing.proved.some((method) => accepts(demanded, method))
  const remembered = standing.remembered && demanded.rememberDays > 0
  return proved || remembered ? undefined : { levels: [LEVELS.secondFactor], by: 'policy' }
}
