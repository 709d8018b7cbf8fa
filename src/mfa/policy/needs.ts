import type { Level, MethodLookup } from '../assurance/assurance.ts'
import { methodsFor } from './methods.ts'
import { highestOf, type Policy, type Rule, type RuleConditions } from './policy.ts'

/** Whom and what `needsOf` is about. */
export interface NeedFacts {
  groups: readonly string[]
  clients: readonly { id: string; require?: Level | undefined }[]
  lookup: MethodLookup
}

/**
 * What policy wants of an account somewhere, from whatever network: of each list one method has to stay with it (FB-7). Who loses the last
 * one would bind anew with less than they have now.
 */
export function needsOf(policy: Policy, { groups, clients, lookup }: NeedFacts): string[][] {
  const needs: string[][] = []
  const fallback: Rule = { ...policy, name: '', when: ANYBODY }
  for (const { when, ...terms } of [...policy.rules, fallback]) {
    if (when.groups !== undefined && !when.groups.some((group) => groups.includes(group))) continue
    const there = clients.filter(({ id }) => when.clients === undefined || when.clients.includes(id))
    for (const { require } of [{ require: undefined }, ...there]) {
      const floor = highestOf([terms.require, require])
      const methods = terms.methods ?? policy.methods
      if (floor === 'pwd' && (terms.secondFactor ?? policy.secondFactor) !== 'required') continue
      needs.push(methodsFor({ methods, require: floor }, [floor === 'pwd' ? '2sv' : floor], lookup))
    }
    // Nothing behind a rule that always matches is ever reached.
    if (when.clients === undefined && when.networks === undefined) break
  }
  return [...new Map(needs.map((methods) => [methods.join(' '), methods])).values()]
}

const ANYBODY: RuleConditions = { clients: undefined, groups: undefined, networks: undefined }
