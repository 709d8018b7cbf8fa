import type { AuthenticatorBlocks } from '../schema/block.ts'
import type { FileConfig } from '../schema/schema.ts'
import { type Path, type Problem, when } from './problem.ts'

type FileRule = FileConfig['policy']['rules'][number]

/** The opt-out has its confirmations (A5), methods can work (B4), rules mean something (B7). */
export function mfaChecks(config: FileConfig, blocks: AuthenticatorBlocks): Problem[] {
  const { methods, enrolment } = config.mfa
  const guarded = enrolment.guard === 'email' && config.mail === undefined
  return [
    ...optOut(config),
    ...(methods === 'auto' ? [] : unusable(methods, ['mfa', 'methods'], { config, blocks })),
    ...when(guarded, ['mfa', 'enrolment', 'guard'], `${enrolment.guard} needs mail.smtp`),
    ...config.policy.rules.flatMap((rule, index) => ruleProblems(rule, index, { config, blocks })),
  ]
}

function optOut({ mfa: { enabled, optOut } }: FileConfig): Problem[] {
  if (enabled !== false) return []
  const needed = (key: 'understood' | 'disableMfa'): Problem[] =>
    when(optOut?.[key] !== true, ['mfa', 'optOut', key], 'must be true: mfa.enabled: false needs both confirmations')
  return [...needed('understood'), ...needed('disableMfa')]
}

interface Context {
  config: FileConfig
  blocks: AuthenticatorBlocks
}

function unusable(methods: readonly string[], path: Path, { config, blocks }: Context): Problem[] {
  if (config.mail !== undefined) return []
  const [method] = methods.filter((type) => blocks[type]?.requires.includes('mail'))
  return when(method !== undefined, path, `${method} needs mail.smtp`)
}

function ruleProblems(rule: FileRule, index: number, context: Context): Problem[] {
  const path = ['policy', 'rules', index]
  const { rules } = context.config.policy
  const known = new Set(context.config.clients.map(({ client_id }) => client_id))
  const strangers = (rule.when.clients ?? []).flatMap((id, place) =>
    when(!known.has(id), [...path, 'when', 'clients', place], 'is not the client_id of a client in this file'),
  )
  const remembers = rule.require !== undefined && (rule.rememberDays ?? 0) > 0
  return [
    ...when(rules.findIndex(({ name }) => name === rule.name) < index, [...path, 'name'], 'is used by another rule'),
    ...strangers,
    ...unusable(rule.methods ?? [], [...path, 'methods'], context),
    ...when(
      remembers,
      [...path, 'rememberDays'],
      'must be 0 or absent beside require: no remembered device satisfies it',
    ),
  ]
}
