import type { Level, MethodLookup } from './assurance.ts'

/** What the file says about second factors, resolved (`methods: auto` is decided by then). */
export interface Policy {
  secondFactor: 'required' | 'if-bound' | 'off'
  methods: readonly string[]
  /** 0: no browser is remembered. */
  rememberDays: number
}

/** What decides. Nothing else does. */
export interface Facts {
  client: { id: string; require: Level | undefined }
  /** Levels the request accepts, in its order of preference; undefined: it asks for none. Unknown values are gone by now (OA-8). */
  requested: readonly Level[] | undefined
  account: {
    /** Types with a binding. */
    bound: readonly string[]
    /** Types that can be verified without having been bound: a mailbox on record. */
    usableUnbound: readonly string[]
  }
}

/** What policy asks of this account at this client in this request. */
export interface Demand {
  /** The name of the rule that decided; null: the default. */
  rule: string | null
  secondFactor: 'required' | 'if-bound' | 'off'
  /** A floor on what the token says; no remembered device satisfies it. */
  require: Level
  /** Levels of which the request wants one; a remembered device satisfies none above `pwd`. */
  requested: readonly Level[] | undefined
  /** Types that may be offered, bound and accepted, in the order offered. */
  methods: readonly string[]
  /** 0 where a remembered device cannot help. */
  rememberDays: number
  /** Whether the default policy asks this account for a second factor, remembered devices aside. */
  asksSecondFactor: boolean
  reasons: readonly string[]
}

/** The one place where policy is decided: pure (B7, F2, E5). */
export function demand(policy: Policy, facts: Facts): Demand {
  const reasons: string[] = []
  const bound = facts.account.bound.filter((type) => policy.methods.includes(type))
  const asks = asksSecondFactor(policy, bound, reasons)
  const require = facts.client.require ?? 'pwd'
  if (facts.client.require !== undefined) reasons.push(`client requires ${facts.client.require}`)
  if (facts.requested !== undefined) reasons.push(`request asks for ${facts.requested.join(' or ')}`)
  const remembers = require === 'pwd' && (facts.requested === undefined || facts.requested.includes('pwd'))
  return {
    rule: null,
    secondFactor: policy.secondFactor,
    require,
    requested: facts.requested,
    methods: policy.methods,
    rememberDays: remembers ? policy.rememberDays : 0,
    asksSecondFactor: asks,
    reasons,
  }
}

function asksSecondFactor(policy: Policy, bound: readonly string[], reasons: string[]): boolean {
  if (policy.secondFactor === 'required') {
    reasons.push('policy requires a second factor')
    return true
  }
  if (policy.secondFactor === 'if-bound' && bound.length > 0) {
    reasons.push('the account has bound a second factor')
    return true
  }
  reasons.push('policy asks for no second factor')
  return false
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

/** What is still missing for this demand. `factor` names the levels a further proof has to reach; undefined: nothing is missing. */
export function missing(demanded: Demand, standing: Standing): { levels: readonly Level[] } | undefined {
  const { levels } = standing
  if (!levels.has('pwd')) return { levels: ['pwd'] }
  if (!levels.has(demanded.require)) return { levels: [demanded.require] }
  if (demanded.requested !== undefined && !demanded.requested.some((level) => levels.has(level))) {
    return { levels: demanded.requested }
  }
  if (!demanded.asksSecondFactor) return undefined
  const proved = standing.proved.some((method) => demanded.methods.includes(method))
  const remembered = standing.remembered && demanded.rememberDays > 0
  return proved || remembered ? undefined : { levels: ['2sv'] }
}

/** The methods, of those allowed, whose success would bring one of `levels` about and the floor too, in the order offered. */
export function methodsFor(demanded: Demand, levels: readonly Level[], lookup: MethodLookup): string[] {
  return demanded.methods.filter((type) => {
    const method = lookup(type)
    if (method === undefined) return false
    const reaches = (level: Level): boolean =>
      level === 'pwd' || level === '2sv' || (level === 'mfa' && method.assurance === 'mfa')
    return levels.some(reaches) && reaches(demanded.require)
  })
}
