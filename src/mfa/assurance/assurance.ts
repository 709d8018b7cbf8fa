import type { Proof } from '../factors/verifier.ts'
import { LEVELS, type Level, PASSWORD } from './levels.ts'
import type { AloneAssurance, MethodAssurance } from './method-assurance.ts'

/** The assurance of a method; undefined for one that is not offered any more: its proofs count nothing. */
export type MethodLookup = (method: string) => MethodAssurance | undefined

const OF_PASSWORD: MethodAssurance = {
  amr: ['pwd'],
  // Behind another first proof it is one more first proof.
  assurance: new Set(),
  distinctFactor: true,
  alone: { assurance: LEVELS.ofPassword, multiFactor: false },
}

function assuranceOf(method: string, lookup: MethodLookup): MethodAssurance | undefined {
  return method === PASSWORD ? OF_PASSWORD : lookup(method)
}

/** Whether a proof by this method can begin a sign-in. */
export function standsFirst(method: string, lookup: MethodLookup): boolean {
  return assuranceOf(method, lookup)?.alone !== undefined
}

/** One way in which some proofs reach levels: a first proof alone, or a first proof and another one behind it. */
interface Way {
  levels: ReadonlySet<Level>
  /** When its oldest proof was given. Milliseconds. */
  at: number
}

function waysOf(proofs: readonly Proof[], lookup: MethodLookup): Way[] {
  return firstsOf(proofs, lookup).flatMap(({ proof: first, alone }) => {
    const behind = proofs.filter(({ method }) => method !== first.method)
    return [
      { levels: alone.assurance, at: first.at },
      ...behind.map(({ method, at }) => ({
        levels: assuranceOf(method, lookup)?.assurance ?? new Set<Level>(),
        at: Math.min(at, first.at),
      })),
    ]
  })
}

function firstsOf(proofs: readonly Proof[], lookup: MethodLookup): { proof: Proof; alone: AloneAssurance }[] {
  return proofs.flatMap((proof) => {
    const alone = assuranceOf(proof.method, lookup)?.alone
    return alone === undefined ? [] : [{ proof, alone }]
  })
}

/**
 * The levels these proofs satisfy. Without one that may stand first there are none: no second factor stands alone
 * (FB-4).
 */
export function satisfiedBy(proofs: readonly Proof[], lookup: MethodLookup): ReadonlySet<Level> {
  return new Set(waysOf(proofs, lookup).flatMap(({ levels }) => [...levels]))
}

/**
 * Authentication method references of these proofs (RFC 8176), `mfa` last and only with two different kinds of
 * factor.
 */
export function amrOf(proofs: readonly Proof[], lookup: MethodLookup): string[] {
  const amr = new Set(proofs.flatMap(({ method }) => assuranceOf(method, lookup)?.amr ?? []))
  const firsts = firstsOf(proofs, lookup)
  const several = firsts.some(({ proof: first, alone }) => {
    const behind = proofs.filter(({ method }) => method !== first.method)
    return alone.multiFactor || behind.some(({ method }) => assuranceOf(method, lookup)?.distinctFactor)
  })
  if (several) amr.add('mfa')
  return [...amr]
}

/**
 * When the oldest proof that counts for `level` was given, in milliseconds; undefined when the proofs do not satisfy
 * it (OA-10).
 */
export function provenAt(proofs: readonly Proof[], level: Level, lookup: MethodLookup): number | undefined {
  const times = waysOf(proofs, lookup)
    .filter(({ levels }) => levels.has(level))
    .map(({ at }) => at)
  return times.length === 0 ? undefined : Math.max(...times)
}

/** Both lists as one: of each method the newest proof. */
export function union(left: readonly Proof[], right: readonly Proof[]): Proof[] {
  const byMethod = new Map<string, Proof>()
  for (const proof of [...left, ...right]) {
    const known = byMethod.get(proof.method)
    if (known === undefined || known.at < proof.at) byMethod.set(proof.method, proof)
  }
  return [...byMethod.values()]
}
