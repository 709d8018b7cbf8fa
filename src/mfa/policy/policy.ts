import type { Grace } from '../../config/config.ts'
import { MINUTE } from '../../kernel/clock.ts'
import { LEVELS, type Level, type Levels } from '../assurance/levels.ts'

export type SecondFactor = 'required' | 'if-bound' | 'off'

/** What the file's `mfa` part says, resolved (`methods: auto` is decided by then); rules refine it. */
interface Terms {
  secondFactor: SecondFactor
  /** Types that may be offered, bound and accepted, in the order offered. */
  methods: readonly string[]
  /** 0: no browser is remembered. */
  rememberDays: number
  /** How long binding can be postponed. */
  grace: Grace
}

/** For whom, where: what is absent matches everybody. */
export interface RuleConditions {
  clients: readonly string[] | undefined
  groups: readonly string[] | undefined
  /** Whether an address is in one of the rule's networks. */
  networks: ((address: string) => boolean) | undefined
}

/** One of `policy.rules`: what it leaves out comes from the default. */
export interface Rule {
  name: string
  when: RuleConditions
  secondFactor?: SecondFactor | undefined
  methods?: readonly string[] | undefined
  rememberDays?: number | undefined
  grace?: Grace | undefined
  /** A floor on what the token says. */
  require?: Level | undefined
  /** Milliseconds each proof may be old. */
  maxAge?: number | undefined
  deny?: boolean | undefined
}

export interface Policy extends Terms {
  /** Types that are accepted beside whatever methods, and listed nowhere. */
  fallbacks: readonly string[]
  /** The first that matches decides. */
  rules: readonly Rule[]
}

/**
 * What the gateway's own account page asks for: to be looked at, or to change what protects the account. Nothing in
 * the file refines it.
 */
export type OwnPage = 'view' | 'change'

/** What decides. Nothing else does. */
export interface Facts {
  client: { id: string; require: Level | undefined; own?: OwnPage | undefined }
  /** The client address, canonical. */
  address: string
  /**
   * Levels the request accepts, in its order of preference; undefined: it asks for none. Unknown values are gone by
   * now (OA-8).
   */
  requested: readonly Level[] | undefined
  account: {
    groups: readonly string[]
    /** Types with a binding. */
    bound: readonly string[]
    /** Types that can be verified without having been bound: a mailbox on record. */
    usableUnbound: readonly string[]
  }
  /** The levels that one of these types reaches behind a password; only the account page asks. */
  worth?: (type: string) => ReadonlySet<Level> | undefined
}

/** What policy asks of this account at this client in this request. */
export interface Demand {
  /** The name of the rule that decided; null: the default. */
  rule: string | null
  secondFactor: SecondFactor
  /** The strongest floor on what the token says; no remembered device satisfies it. */
  require: Level
  /** Floors that hold beside it, because it does not include them: those on another axis. Absent: there is none. */
  alsoRequire?: readonly Level[]
  /** Levels of which the request wants one; a remembered device satisfies none but the password's. */
  requested: readonly Level[] | undefined
  methods: readonly string[]
  /** Types accepted beside them from whoever has lost those. */
  fallbacks: readonly string[]
  /** 0 where a remembered device cannot help. */
  rememberDays: number
  /** Milliseconds after which a proof counts no more; undefined: as long as the session lives. */
  maxAge: number | undefined
  /** The same for every proof but the password. */
  factorMaxAge?: number
  grace: Grace
  /** Nobody gets in. */
  deny: boolean
  /** Whether policy asks this account for a second factor, remembered devices aside. */
  asksSecondFactor: boolean
  reasons: readonly string[]
}

/** The one place where policy is decided: pure (B7, F2, E5). The first rule that matches refines the default. */
export function demand(policy: Policy, facts: Facts, levels: Levels = LEVELS): Demand {
  const rule = policy.rules.find(({ when }) => matches(when, facts))
  const reasons = [rule === undefined ? 'no rule matches: the default decides' : `rule ${rule.name} matches`]
  const terms: Terms = {
    secondFactor: rule?.secondFactor ?? policy.secondFactor,
    methods: methodsAt(policy, rule, facts),
    rememberDays: rule?.rememberDays ?? policy.rememberDays,
    grace: rule?.grace ?? policy.grace,
  }
  const bound = facts.account.bound.filter((type) => terms.methods.includes(type))
  const asks = asksSecondFactor(terms.secondFactor, bound, reasons)
  const own = ownTerms(terms, facts, { levels, reasons })
  const [require, ...alsoRequire] = floorsOf({ rule, own }, facts, { levels, reasons })
  const floors = { require, ...(alsoRequire.length > 0 && { alsoRequire }) }
  if (facts.requested !== undefined) reasons.push(`the request asks for ${facts.requested.join(' or ')}`)
  const maxAge = shorter(rule?.maxAge, own?.maxAge)
  if (maxAge !== undefined) reasons.push(`a proof counts for ${maxAge / 1000} s`)
  if (rule?.deny === true) reasons.push('the rule denies access')
  const remembers = own === undefined && isEnough(levels.ofPassword, { ...floors, requested: facts.requested }, levels)
  return {
    rule: rule?.name ?? null,
    secondFactor: terms.secondFactor,
    ...floors,
    requested: facts.requested,
    methods: terms.methods,
    fallbacks: policy.fallbacks,
    rememberDays: remembers ? terms.rememberDays : 0,
    maxAge,
    ...(own?.factorMaxAge !== undefined && { factorMaxAge: own.factorMaxAge }),
    grace: terms.grace,
    deny: rule?.deny === true,
    asksSecondFactor: asks,
    reasons,
  }
}

/**
 * The account page changes what every application's rules go by: there each factor counts that the account has and
 * any rule accepts, or the weaker one of a lenient rule would open the stronger one of a strict rule (FB-1).
 */
function methodsAt(policy: Policy, rule: Rule | undefined, { client, account }: Facts): readonly string[] {
  const methods = rule?.methods ?? policy.methods
  if (client.own === undefined) return methods
  const accepted = [policy, ...policy.rules].flatMap((terms) => terms.methods ?? [])
  const had = accepted.filter((type) => account.bound.includes(type) || account.usableUnbound.includes(type))
  return [...new Set([...methods, ...had])]
}

function matches({ clients, groups, networks }: RuleConditions, { client, address, account }: Facts): boolean {
  if (clients !== undefined && !clients.includes(client.id)) return false
  if (groups !== undefined && !groups.some((group) => account.groups.includes(group))) return false
  return networks === undefined || networks(address)
}

function asksSecondFactor(secondFactor: SecondFactor, bound: readonly string[], reasons: string[]): boolean {
  if (secondFactor === 'required') {
    reasons.push('policy requires a second factor')
    return true
  }
  if (secondFactor === 'if-bound' && bound.length > 0) {
    reasons.push('the account has bound a second factor')
    return true
  }
  reasons.push('policy asks for no second factor')
  return false
}

/** Milliseconds for which a second factor opens the changes of an account page (FB-1). */
const CHANGE_AGE = 5 * MINUTE

/** With which levels, and what is to be said about it. */
interface Deciding {
  levels: Levels
  reasons: string[]
}

interface OwnTerms {
  require: Level
  maxAge?: number
  factorMaxAge?: number
}

/**
 * The account page is seen with the strongest factor the account has, whatever policy leaves open (CVE-2024-45042),
 * and no remembered device helps (TD-7). Changes want it fresh; an account that has none, its password.
 */
function ownTerms({ methods }: Terms, facts: Facts, { levels, reasons }: Deciding): OwnTerms | undefined {
  const { client, account, worth } = facts
  if (client.own === undefined) return undefined
  const usable = methods.filter((type) => account.bound.includes(type) || account.usableUnbound.includes(type))
  const require = levels.strongest(usable.flatMap((type) => [...(worth?.(type) ?? [])])) ?? levels.weakest
  reasons.push(`the account page wants the strongest factor the account has: ${require}`)
  if (client.own === 'view') return { require }
  return require === levels.weakest ? { require, maxAge: CHANGE_AGE } : { require, factorMaxAge: CHANGE_AGE }
}

/** What a demand says of floors. */
export type Floors = Pick<Demand, 'require' | 'alsoRequire'>

/** The first floor that what was proved does not meet, the strongest of them first. */
export function unmetFloor(proved: ReadonlySet<Level>, floors: Floors, levels: Levels = LEVELS): Level | undefined {
  return [floors.require, ...(floors.alsoRequire ?? [])].find((floor) => !levels.meets(proved, floor))
}

/** Whether what was proved meets every floor, and what the request asks for. */
export function isEnough(
  proved: ReadonlySet<Level>,
  { requested, ...floors }: Floors & Pick<Demand, 'requested'>,
  levels: Levels = LEVELS,
): boolean {
  if (unmetFloor(proved, floors, levels) !== undefined) return false
  return requested === undefined || requested.some((level) => proved.has(level))
}

/** The shorter of two times, of which each may be unlimited. */
export function shorter(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? (left ?? right) : Math.min(left, right)
}

/** The client's own floor and the rule's: all hold. */
function floorsOf(
  { rule, own }: { rule: Rule | undefined; own: OwnTerms | undefined },
  { client }: Facts,
  { levels, reasons }: Deciding,
): readonly [Level, ...Level[]] {
  if (rule?.require !== undefined) reasons.push(`the rule requires ${rule.require}`)
  if (client.require !== undefined) reasons.push(`the client requires ${client.require}`)
  return levels.together([rule?.require, client.require, own?.require])
}
