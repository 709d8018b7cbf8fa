import type { CeremonyContext, Refusal, Show } from './authenticator.ts'
import type { Binding } from './binding-store.ts'

/** Which of an authenticator's two ceremonies (NIST SP 800-63B-4, 3 and 4). */
type CeremonyName = 'bind' | 'verify'

/** One try of one person in one browser at one ceremony. */
export interface Attempt {
  ceremony: CeremonyName
  type: string
  /** The interaction's uid, or another id of what this ceremony is for. */
  interaction: string
  /** Hash of the browser's own secret: a challenge works only in the browser it was made for (EM-5). */
  browser: string
  client: string | undefined
  context: CeremonyContext
  /** The account's bindings as the same request read them; absent: they are read. Replays are refused either way. */
  bindings?: readonly Binding[]
  /** A binding that is made outside of a sign-in ends those under way, and sessions (FB-9). */
  endsSignIns?: true
}

export interface Begun {
  ok: true
  show: Show
  /** Milliseconds since the epoch. */
  expiresAt: number
  /** When a new challenge may be asked for; undefined: never in this interaction, or not sent at all. */
  resendAt: number | undefined
}

/** A method that succeeded, with its time. `method` is `password` or an authenticator's type. */
export interface Proof {
  method: string
  /** Milliseconds since the epoch. */
  at: number
}

/**
 * `proof` is undefined for what only opens the binding of another authenticator; `bound`: a binding was made;
 * `changed`: the account or its bindings are no longer what they were before.
 */
export type Verdict = { ok: true; proof: Proof | undefined; bound: boolean; changed: boolean } | Refusal

/**
 * Keeps for every authenticator: count, then judge; one challenge per interaction, ceremony and type; success takes it;
 * throttles, hard caps, audit.
 */
export interface Verifier {
  /**
   * The running challenge of this attempt, or a new one: showing a page twice sends nothing twice. A dead or expired
   * one answers `expired` until `renew`.
   */
  begin(attempt: Attempt): Promise<Begun | Refusal>
  /**
   * A new challenge in place of the old one, which is dead from then on; refused before the wait is over and beyond the
   * caps (C4, EM-7).
   */
  renew(attempt: Attempt): Promise<Begun | Refusal>
  /** Judges the code. `bind` stores the binding; the first `verify` of an unbound usable authenticator binds it. */
  finish(attempt: Attempt, form: { code: string; label?: string }): Promise<Verdict>
}
