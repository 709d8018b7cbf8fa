import type { Level } from './levels.ts'

/** What the assurance needs to know of a method; an authenticator declares it. */
export interface MethodAssurance {
  /** Method reference values that this proof adds (RFC 8176), without `mfa`. */
  amr: readonly string[]
  /** The levels that this proof brings about behind a first one, such as a password (`LEVELS.closed`). */
  assurance: ReadonlySet<Level>
  /** Whether it and a first proof count as two factors in `amr`. */
  distinctFactor: boolean
  /** Present: this proof may stand first, and is worth this by itself. Absent: it never stands alone (FB-4). */
  alone?: AloneAssurance
}

/** What a proof is worth that stands alone. */
export interface AloneAssurance {
  assurance: ReadonlySet<Level>
  /**
   * Whether it proves two factors at once, as a key does that is unlocked by a PIN or a finger (NIST SP 800-63B-4,
   * 3.1.7).
   */
  multiFactor: boolean
}
