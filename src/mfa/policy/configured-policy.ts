import type { Config, RuleConfig } from '../../config/config.ts'
import { ConfigError } from '../../kernel/errors.ts'
import { createNetworks } from '../../kernel/network.ts'
import type { MethodLookup } from '../assurance/assurance.ts'
import { LEVELS, type Level } from '../assurance/levels.ts'
import type { Registry } from '../factors/registry.ts'
import { methodsFor } from './methods.ts'
import type { Policy, Rule } from './policy.ts'

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

/** A floor that no allowed method reaches would lock everybody out at night: it is refused at load. */
export function refuseUnreachable(config: Config, policy: Policy, lookup: MethodLookup): void {
  const reachable = (require: Level, methods: readonly string[]): boolean =>
    LEVELS.meets(LEVELS.ofPassword, require) || methodsFor({ methods, require }, [require], lookup).length > 0
  for (const [index, { require = LEVELS.weakest, methods = policy.methods }] of policy.rules.entries()) {
    if (reachable(require, methods)) continue
    throw new ConfigError(`policy.rules[${index}].require`, `no method of ${methods.join(', ')} reaches ${require}`)
  }
  const everything = [policy, ...policy.rules].flatMap(({ methods = [] }) => methods)
  for (const [index, { require = LEVELS.weakest }] of config.clients.entries()) {
    if (!reachable(require, everything))
      throw new ConfigError(`clients[${index}].require`, `no method reaches ${require}`)
  }
}

/** Levels that some sign-in here can reach. */
export function reachableLevels(policy: Policy, registry: Registry): ReadonlySet<Level> {
  const levels = new Set(LEVELS.ofPassword)
  for (const type of [policy, ...policy.rules].flatMap(({ methods = [] }) => methods)) {
    const authenticator = registry.get(type)
    for (const level of authenticator?.assurance ?? []) levels.add(level)
    for (const level of authenticator?.alone?.assurance ?? []) levels.add(level)
  }
  return levels
}
