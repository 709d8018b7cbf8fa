import type { Account } from '../accounts/account.ts'
import { type AcrNames, requestedAcr } from '../mfa/assurance/acr.ts'
import { type MethodLookup, satisfiedBy, union } from '../mfa/assurance/assurance.ts'
import { type Level, PASSWORD } from '../mfa/assurance/levels.ts'
import type { Binding } from '../mfa/factors/binding-store.ts'
import type { Proof } from '../mfa/factors/verifier.ts'
import type { Question } from '../mfa/policy/decider.ts'
import type { Demand } from '../mfa/policy/policy.ts'
import type { GraceLeft } from '../mfa/policy/postponement.ts'
import type { SignInFacts, Step } from '../mfa/policy/steps.ts'
import type { PendingProof } from '../mfa/session/pending-proof.ts'
import type { SessionProofs } from '../mfa/session/session-proofs.ts'
import type { Versioned } from '../state/records.ts'
import type { Browser } from '../web/browser.ts'
import type { Interaction } from './engine.ts'

/** One sign-in of one browser as it stands now: everything that its pages decide from. */
export interface SignIn {
  interaction: Interaction
  browser: Browser
  /** The language of the pages. What a person has chosen counts once it is known who that is. */
  locale: string
  /** The same for somebody who has chosen this language, or none. */
  localeFor(chosen: string | undefined): string
  /** The client address. */
  address: string
  /** Who has entered the password, or whose session asks for more; undefined on the login page. */
  account: Account | undefined
  bindings: readonly Binding[]
  /** What was proved in this interaction; undefined: nothing yet, or nothing that still counts. */
  pending: Versioned<PendingProof> | undefined
  /** Which version of the pending proof was read, whether it counts or not. */
  readVersion: string | undefined
  /** The session that asks for more; undefined where the sign-in starts from nothing. */
  session: SessionProofs | undefined
  demanded: Demand | undefined
  step: Step
}

/** What is known of a sign-in before its account is read. */
export type KnownSignIn = Pick<
  SignIn,
  'interaction' | 'browser' | 'localeFor' | 'address' | 'pending' | 'readVersion' | 'session'
>

/** The prompt with which a session is asked for more; with every other one a sign-in starts from nothing. */
export const STEP_UP = 'mfa'

/**
 * A sign-in of which nobody has entered the password yet. `chosen`: the language of whose session it is, where that
 * is known.
 */
export function signInOfNobody(known: KnownSignIn, chosen?: string): SignIn {
  return {
    ...known,
    locale: known.localeFor(chosen),
    account: undefined,
    bindings: [],
    demanded: undefined,
    step: { kind: 'password' },
  }
}

/** What policy is asked about this sign-in. */
export function questionOf({ interaction, address }: KnownSignIn, account: Account, acr: AcrNames): Question {
  const { id, require, own } = interaction.client
  return { account, client: { id, require, own }, address, requested: requestedAcr(interaction.params, acr).levels }
}

/** What the next step is decided from. `now`: milliseconds since the epoch. */
export function stepFactsOf(
  known: KnownSignIn,
  read: {
    account: Account
    bindings: readonly Binding[]
    demanded: Demand
    graceLeft: GraceLeft | undefined
    now: number
  },
): SignInFacts {
  const pending = known.pending?.value
  return {
    ...read,
    proofs: proofsOf(known),
    startedAt: known.interaction.startedAt,
    bypassed: pending?.bypassed === true,
    remembered: pending?.device !== undefined,
    chosen: pending?.chosen,
    choosing: pending?.choosing === true,
    answer: graceAnswer(pending, read.demanded),
  }
}

/** Whether the person has put binding off, or wants to bind although it could wait; undefined: neither. */
function graceAnswer(pending: PendingProof | undefined, { rule }: Demand): SignInFacts['answer'] {
  if (pending?.postponed !== undefined && pending.postponed.rule === rule) return 'postponed'
  return pending?.binding && 'binding'
}

/** The proofs of the session and of this interaction together: of each method the newest. */
export function proofsOf({ session, pending }: Pick<SignIn, 'session' | 'pending'>): Proof[] {
  return union(session?.proofs ?? [], pending?.value.proofs ?? [])
}

/**
 * Whether this very interaction authenticated its person anew: the password was typed in it, or its own proofs reach
 * `level` without those of the session. A key that only joins an older password makes nothing fresh (X3).
 */
export function isFresh({ pending }: Pick<SignIn, 'pending'>, level: Level, lookup: MethodLookup): boolean {
  const proofs = pending?.value.proofs ?? []
  return proofs.some(({ method }) => method === PASSWORD) || satisfiedBy(proofs, lookup).has(level)
}
