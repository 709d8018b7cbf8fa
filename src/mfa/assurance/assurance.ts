import type { Proof } from '../factors/verifier.ts'

/** What a sign-in is worth (security.md, section 3). The first three rise; `phr` and `phrh` stand on an axis of their own. */
export type Level = 'pwd' | '2sv' | 'mfa' | 'phr' | 'phrh'

export const LEVELS: readonly Level[] = ['pwd', '2sv', 'mfa', 'phr', 'phrh']

/** The name of the first factor in a list of proofs. */
export const PASSWORD = 'password'

/** What the assurance needs to know of a method; an authenticator declares it. */
export interface MethodAssurance {
  amr: readonly string[]
  /** What a password and this proof together are worth. */
  assurance: '2sv' | 'mfa'
  /** Whether password and this proof count as two factors in `amr`. */
  distinctFactor: boolean
}

/** The assurance of a second-factor method; undefined for one that is not offered any more: its proofs count nothing. */
export type MethodLookup = (method: string) => MethodAssurance | undefined

/** The levels these proofs satisfy. Without a password there are none: no second factor stands alone (FB-4). */
export function satisfiedBy(proofs: readonly Proof[], lookup: MethodLookup): ReadonlySet<Level> {
  const levels = new Set<Level>()
  if (!proofs.some((proof) => proof.method === PASSWORD)) return levels
  levels.add('pwd')
  for (const proof of proofs) {
    const method = lookup(proof.method)
    if (method === undefined) continue
    levels.add('2sv')
    if (method.assurance === 'mfa') levels.add('mfa')
  }
  return levels
}

/** The highest of pwd < 2sv < mfa among them; undefined when there is none. */
export function highest(levels: ReadonlySet<Level>): Level | undefined {
  if (levels.has('mfa')) return 'mfa'
  if (levels.has('2sv')) return '2sv'
  return levels.has('pwd') ? 'pwd' : undefined
}

/** Authentication method references of these proofs (RFC 8176), `mfa` last and only with two different kinds of factor. */
export function amrOf(proofs: readonly Proof[], lookup: MethodLookup): string[] {
  const amr = new Set<string>()
  let several = false
  for (const proof of proofs) {
    if (proof.method === PASSWORD) amr.add('pwd')
    const method = lookup(proof.method)
    if (method === undefined) continue
    for (const reference of method.amr) amr.add(reference)
    several ||= method.distinctFactor
  }
  if (several && amr.has('pwd')) amr.add('mfa')
  return [...amr]
}

/** When the oldest proof that counts for `level` was given, in milliseconds; undefined when the proofs do not satisfy it (OA-10). */
export function provenAt(proofs: readonly Proof[], level: Level, lookup: MethodLookup): number | undefined {
  if (!satisfiedBy(proofs, lookup).has(level)) return undefined
  const password = newest(proofs, (proof) => proof.method === PASSWORD)
  if (level === 'pwd') return password
  const second = newest(proofs, (proof) => {
    const method = lookup(proof.method)
    return method !== undefined && (level === '2sv' || method.assurance === 'mfa')
  })
  return password === undefined || second === undefined ? undefined : Math.min(password, second)
}

function newest(proofs: readonly Proof[], counts: (proof: Proof) => boolean): number | undefined {
  return proofs
    .filter(counts)
    .reduce<number | undefined>((best, proof) => Math.max(best ?? proof.at, proof.at), undefined)
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
