import type { Account } from '../../accounts/account.ts'
import { MINUTE } from '../../kernel/clock.ts'
import { type MethodLookup, satisfiedBy, standsFirst } from '../assurance/assurance.ts'
import { LEVELS, type Level } from '../assurance/levels.ts'
import type { Authenticator, Reserve } from '../factors/authenticator.ts'
import type { Binding } from '../factors/binding-store.ts'
import type { Proof } from '../factors/verifier.ts'
import { fallbacksFor, methodsFor } from './methods.ts'
import { liveProofs, missing } from './missing.ts'
import type { Demand } from './policy.ts'
import type { GraceLeft } from './postponement.ts'

/**
 * What confirms, before a first authenticator is bound, that the person is the owner
 * (`mfa.enrolment.guard`).
 */
export type EnrolmentGuard = 'auto' | 'password' | 'email' | 'bypass'

/** Where a sign-in stands; all of it was loaded by the caller. */
export interface SignInFacts {
  demanded: Demand
  account: Account
  bindings: readonly Binding[]
  /** Of the session, if there is one, and of this interaction. */
  proofs: readonly Proof[]
  /** When this interaction began, in milliseconds since the epoch. */
  startedAt: number
  /** Milliseconds since the epoch. */
  now: number
  /** An administrator let this person bind a factor in this sign-in, and no more. */
  bypassed: boolean
  /** A remembered device let this sign-in in. */
  remembered: boolean
  /** What the person picked. */
  chosen: string | undefined
  /** The person wants to see the choice. */
  choosing: boolean
  /** What is left of the time in which binding can be put off; undefined: it cannot. */
  graceLeft: GraceLeft | undefined
  /** The person has put it off in this sign-in, or wants to bind now. */
  answer: 'postponed' | 'binding' | undefined
}

export interface StepRules {
  guard: EnrolmentGuard
  /** Types that the guard asks for, whatever policy accepts as a factor (`enrolmentGuards`). */
  guards: readonly string[]
  /** Those that the file uses (`inUse`). */
  authenticators: readonly Authenticator[]
  lookup: MethodLookup
}

export type Step =
  | { kind: 'done' }
  | { kind: 'password' }
  | { kind: 'choose'; types: string[] }
  /** `types`: what else may be picked, this one included. `before`: the type that is bound once this one is proved. */
  | { kind: 'verify'; type: string; types: string[]; before?: string }
  | { kind: 'bind'; type: string; types: string[] }
  /** Policy asks for a factor the account has none of, and lets it wait. */
  | { kind: 'bind-later'; left: GraceLeft }
  /** Nothing the account has or may bind reaches it: the relying party's request cannot be met. */
  | { kind: 'unmet' }
  /** Policy asks for a factor, and the account has no way to one: an administrator must help (C6). */
  | { kind: 'stuck' }
  /** Policy lets nobody in here. */
  | { kind: 'denied' }

/** How old a proof of an existing session may be to open the binding of another factor (FB-1). */
const FRESH = 5 * MINUTE

/**
 * What a sign-in needs next: pure. Bound factors and mailboxes on record are verified; only an account that has
 * neither, or whose owner picked another kind, binds, and then only after another factor it has was proved (B3, FB-2,
 * CVE-2023-3597) or an administrator opened it (I3). Fallbacks stand beside all that, and come up by themselves only
 * where they guard a binding.
 */
export function nextStep(facts: SignInFacts, rules: StepRules): Step {
  const { demanded } = facts
  // What was proved while the pages were open counts, however small the age that a rule allows.
  const proofs = liveProofs(facts.proofs, demanded, facts.startedAt)
  const levels = satisfiedBy(proofs, rules.lookup)
  const proved = proofs.map((proof) => proof.method)
  const lacking = missing(demanded, { levels, proved, remembered: facts.remembered })
  if (lacking?.levels.some((level) => LEVELS.ofPassword.has(level))) return { kind: 'password' }
  if (demanded.deny) return { kind: 'denied' }
  const options = optionsFor(facts, lacking?.levels ?? demanded.requested ?? [LEVELS.secondFactor], rules)
  const { chosen } = facts
  if (chosen !== undefined && options.bindable.includes(chosen)) {
    const step = bindStep(chosen, facts, { rules, options })
    // What only an administrator can open keeps nobody from going on.
    if (lacking !== undefined || rules.guard !== 'bypass' || step.kind === 'bind') return step
  }
  if (lacking === undefined) return { kind: 'done' }
  if (lacking.by === 'policy' && options.held.length === 0) {
    if (facts.answer === 'postponed') return { kind: 'done' }
    const { graceLeft } = facts
    if (facts.answer === undefined && graceLeft !== undefined && !facts.bypassed)
      return { kind: 'bind-later', left: graceLeft }
  }
  if (options.all.length === 0) return withoutWay(lacking.by === 'request' ? 'unmet' : 'stuck', options)
  return firstStep(facts, { rules, options })
}

interface Options {
  /** The account has them. */
  held: string[]
  /** Can be verified at once. */
  usable: string[]
  /** Can be bound. */
  bindable: string[]
  all: string[]
  /** What else can be picked: fallbacks of which something is left. */
  beside: string[]
}

function optionsFor(facts: SignInFacts, levels: readonly Level[], { authenticators, lookup }: StepRules): Options {
  const bound = new Set(facts.bindings.map((binding) => binding.type))
  const byType = new Map(authenticators.map((authenticator) => [authenticator.type, authenticator]))
  const candidates = methodsFor(facts.demanded, levels, lookup)
  const opened = candidates.filter((type) => facts.bypassed && hasRoom(byType.get(type), facts.bindings))
  const held = candidates.filter((type) => bound.has(type) || byType.get(type)?.usableUnbound(facts.account))
  const usable = held.filter((type) => !opened.includes(type))
  const bindable = candidates.filter((type) => !usable.includes(type) && byType.get(type)?.bind !== undefined)
  const beside = fallbacksFor(facts.demanded, levels, lookup).filter((type) => {
    const { codes, bypass } = reserveOf(byType.get(type), facts)
    // Whoever picked it and was too slow hears so on its page.
    const picked = type === facts.chosen && bound.has(type)
    return codes > 0 || picked || (bypass && !facts.bypassed)
  })
  const all = candidates.filter((type) => usable.includes(type) || bindable.includes(type))
  return { held, usable, bindable, all, beside }
}

/** Whether another one of it can be bound, beside those the account has. */
function hasRoom(authenticator: Authenticator | undefined, bindings: readonly Binding[]): boolean {
  if (authenticator?.bind === undefined) return false
  return bindings.filter(({ type }) => type === authenticator.type).length < authenticator.maxPerAccount
}

const NOTHING: Reserve = { codes: 0, bypass: false }

function reserveOf(authenticator: Authenticator | undefined, { bindings, now }: SignInFacts): Reserve {
  return authenticator?.fallback?.reserve(bindings, now) ?? NOTHING
}

interface Given {
  rules: StepRules
  options: Options
}

function firstStep(facts: SignInFacts, given: Given): Step {
  const { usable, bindable, all, beside } = given.options
  const types = [...all, ...beside]
  if (facts.choosing && types.length > 1) return { kind: 'choose', types }
  const { chosen } = facts
  if (chosen !== undefined && [...usable, ...beside].includes(chosen)) return { kind: 'verify', type: chosen, types }
  if (facts.bypassed) return openedStep(facts, given)
  const last = lastUsed(facts.bindings, usable)
  if (last !== undefined) return { kind: 'verify', type: last, types }
  const [only] = all
  if (all.length > 1 || only === undefined) return { kind: 'choose', types }
  return bindable.includes(only) ? bindStep(only, facts, given) : { kind: 'verify', type: only, types }
}

/** An administrator's code leads to binding, or to what can be verified unbound where nothing can be bound. */
function openedStep(facts: SignInFacts, given: Given): Step {
  const { usable, bindable, all, beside } = given.options
  const types = [...all, ...beside]
  const [first, ...others] = bindable
  if (first !== undefined && others.length === 0) return bindStep(first, facts, given)
  const [mailbox] = usable
  return first === undefined && mailbox !== undefined
    ? { kind: 'verify', type: mailbox, types }
    : { kind: 'choose', types: bindable }
}

/** A fallback is a way in for whoever has no other; but a request that no method reaches is not met by using it up. */
function withoutWay(kind: 'unmet' | 'stuck', { beside }: Options): Step {
  const [type] = beside
  return type === undefined || kind === 'unmet' ? { kind } : { kind: 'verify', type, types: beside }
}

/** Sign-in opens on the kind last used (B3). */
function lastUsed(bindings: readonly Binding[], usable: readonly string[]): string | undefined {
  const used = bindings
    .filter((binding) => usable.includes(binding.type))
    .toSorted((left, right) => (right.lastUsedAt ?? right.boundAt) - (left.lastUsedAt ?? left.boundAt))
  return used[0]?.type
}

function bindStep(type: string, facts: SignInFacts, { rules, options }: Given): Step {
  const fresh = facts.proofs.filter((proof) => proof.at >= facts.startedAt - FRESH).map((proof) => proof.method)
  const types = [...options.all, ...options.beside]
  const begun = fresh.some((method) => standsFirst(method, rules.lookup))
  const bind: Step = begun ? { kind: 'bind', type, types } : { kind: 'password' }
  if (facts.bypassed) return bind
  if (rules.guard === 'bypass') return onlyOpened(type, facts.demanded, types)
  const guards = guardsOf(type, facts, rules)
  const [guard] = guards
  if (guard === undefined) return rules.guard === 'email' ? { kind: 'stuck' } : bind
  if (guards.some((other) => fresh.includes(other))) return { kind: 'bind', type, types }
  return { kind: 'verify', type: guard, types, before: type }
}

/** Where an administrator opens every binding, their code is asked for. */
function onlyOpened(type: string, { fallbacks }: Demand, types: string[]): Step {
  const [fallback] = fallbacks
  return fallback === undefined ? { kind: 'stuck' } : { kind: 'verify', type: fallback, types, before: type }
}

/**
 * The factors one of which is proved before `type` is bound: those the account could sign in with, and those that the
 * guard asks for, even where policy does not accept them as a factor.
 */
function guardsOf(type: string, facts: SignInFacts, rules: StepRules): string[] {
  const { account, bindings, demanded } = facts
  const bound = new Set(bindings.map((binding) => binding.type))
  return rules.authenticators
    .filter((other) => other.type !== type)
    .filter((other) => {
      if (other.fallback !== undefined) return reserveOf(other, facts).codes > 0
      if (other.usableUnbound(account) && rules.guards.includes(other.type)) return true
      const held = bound.has(other.type) || other.usableUnbound(account)
      return held && demanded.methods.includes(other.type)
    })
    .map((other) => other.type)
}
