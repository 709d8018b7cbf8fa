import type { Config, RuleConfig } from '../../config/config.ts'
import { ConfigError } from '../../kernel/errors.ts'
import { createNetworks } from '../../kernel/network.ts'
import type { MethodLookup } from '../assurance/assurance.ts'
import { LEVELS, type Level } from '../assurance/levels.ts'
import type { AuthenticatorKind } from '../factors/authenticator.ts'
import { createRegistry, type Registry } from '../factors/registry.ts'
import { methodsFor } from './methods.ts'
import type { Policy, Rule } from './policy.ts'
import type { EnrolmentGuard } from './steps.ts'

/** What policy asks of everybody; what is not answered yet is decided strictly (FA-7). */
export function secondFactorOf(enabled: boolean | undefined): 'required' | 'if-bound' {
  return enabled === false ? 'if-bound' : 'required'
}

/** The file's policy with `methods` decided. */
export function policyFrom({ mfa, policy }: Config, methods: readonly string[], registry: Registry): Policy {
  return {
    secondFactor: secondFactorOf(mfa.enabled),
    methods,
    fallbacks: registry
      .list()
      .filter(({ fallback }) => fallback !== undefined)
      .map(({ type }) => type),
    rememberDays: mfa.rememberDays,
    grace: mfa.enrolment.grace,
    rules: policy.rules.map(ruleOf),
  }
}

function ruleOf({ when, ...terms }: RuleConfig): Rule {
  const { clients, groups, networks } = when
  return { ...terms, when: { clients, groups, networks: networks && createNetworks(networks) } }
}

/**
 * Types that confirm an owner before a first authenticator is bound. `auto` and `email` ask for a code to the address
 * on record: to ask for it is to list that kind, for this and nothing else, so it guards also where no `methods`
 * lists it. Any other kind guards where it is listed.
 */
export function enrolmentGuards(guard: EnrolmentGuard, kinds: readonly AuthenticatorKind[], policy: Policy): string[] {
  if (guard === 'password' || guard === 'bypass') return []
  const listed = listedIn(policy)
  return kinds
    .filter(({ guardsEnrolment }) => guardsEnrolment)
    .filter(({ boundTo, type }) => boundTo === 'address' || (guard === 'auto' && listed.has(type)))
    .map(({ type }) => type)
}

/**
 * What the file uses of the kinds that can work here: those that it lists, for everybody or in a rule, fallbacks, and
 * what guards a binding. The others are known only where something of them is still bound: they are asked for by
 * nothing and guard nothing.
 */
export function inUse(registry: Registry, { policy, guards }: { policy: Policy; guards: readonly string[] }): Registry {
  const used = listedIn(policy).union(new Set([...policy.fallbacks, ...guards]))
  return createRegistry(registry.list().filter(({ type }) => used.has(type)))
}

function listedIn(policy: Policy): ReadonlySet<string> {
  return new Set([policy, ...policy.rules].flatMap(({ methods = [] }) => methods))
}

/** A floor that no allowed method reaches would lock everybody out at night: it is refused at load. */
export function refuseUnreachable(config: Config, policy: Policy, lookup: MethodLookup): void {
  const reachable = (require: Level, methods: readonly string[]): boolean =>
    LEVELS.meets(LEVELS.ofPassword, require) || methodsFor({ methods, require }, [require], lookup).length > 0
  for (const [index, { require = LEVELS.weakest, methods = policy.methods }] of policy.rules.entries()) {
    if (reachable(require, methods)) continue
    throw new ConfigError(`policy.rules[${index}].require`, `no method of ${methods.join(', ')} reaches ${require}`)
  }
  const everything = [...listedIn(policy)]
  for (const [index, { require = LEVELS.weakest }] of config.clients.entries()) {
    if (!reachable(require, everything))
      throw new ConfigError(`clients[${index}].require`, `no method reaches ${require}`)
  }
}

/** Levels that some sign-in here can reach. */
export function reachableLevels(policy: Policy, registry: Registry): ReadonlySet<Level> {
  const levels = new Set(LEVELS.ofPassword)
  for (const type of listedIn(policy)) {
    const authenticator = registry.get(type)
    for (const level of authenticator?.assurance ?? []) levels.add(level)
    for (const level of authenticator?.alone?.assurance ?? []) levels.add(level)
  }
  return levels
}
