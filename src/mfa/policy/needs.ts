import type { MethodLookup } from '../assurance/assurance.ts'
import { LEVELS, type Level } from '../assurance/levels.ts'
import { methodsFor } from './methods.ts'
import type { Policy, Rule, RuleConditions } from './policy.ts'

/** Whom and what `needsOf` is about. */
export interface NeedFacts {
  groups: readonly string[]
  clients: readonly { id: string; require?: Level | undefined }[]
  lookup: MethodLookup
}

/**
 * What policy wants of an account somewhere, from whatever network: of each list one method has to stay with it
 * (FB-7). Who loses the last one would bind anew with less than they have now.
 */
export function needsOf(policy: Policy, { groups, clients, lookup }: NeedFacts): string[][] {
  const needs: string[][] = []
  const fallback: Rule = { ...policy, name: '', when: ANYBODY }
  for (const { when, ...terms } of [...policy.rules, fallback]) {
    if (when.groups !== undefined && !when.groups.some((group) => groups.includes(group))) continue
    const there = clients.filter(({ id }) => when.clients === undefined || when.clients.includes(id))
    for (const { require } of [{ require: undefined }, ...there]) {
      const [floor, ...alsoRequire] = LEVELS.together([terms.require, require])
      const methods = terms.methods ?? policy.methods
      const alone = LEVELS.meets(LEVELS.ofPassword, floor)
      if (alone && (terms.secondFactor ?? policy.secondFactor) !== 'required') continue
      needs.push(methodsFor({ methods, require: floor, alsoRequire }, [alone ? LEVELS.secondFactor : floor], lookup))
    }
    // Nothing behind a rule that always matches is ever reached.
    if (when.clients === undefined && when.networks === undefined) break
  }
  return [...new Map(needs.map((methods) => [methods.join(' '), methods])).values()]
}

const ANYBODY: RuleConditions = { clients: undefined, groups: undefined, networks: undefined }
