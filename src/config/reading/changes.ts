import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config.ts'
import { type FileFormat, schemaBy } from '../schema/schema.ts'
import { mapSecrets, maskOf } from '../schema/secret-fields.ts'
import { toFile } from './file-form.ts'

/** One key that differs; values are as `config print` shows them, secrets masked. */
export interface ConfigChange {
  /** Dotted: `mfa.rememberDays`, `clients.nocobase.redirect_uris`. */
  key: string
  before: unknown
  after: unknown
}

/** What differs between two configurations, key by key; a secret that changed shows as masked on both sides. */
export function changesBetween(before: Config, after: Config, format: FileFormat): ConfigChange[] {
  const [old, young] = [readingOf(before, format), readingOf(after, format)]
  return [...new Set([...old.shown.keys(), ...young.shown.keys()])]
    .filter((key) => !isDeepStrictEqual(old.plain.get(key), young.plain.get(key)))
    .map((key) => ({ key, before: old.shown.get(key), after: young.shown.get(key) }))
}

/** By key: what is compared, and what may be shown of it. Every secret is one value in both, whatever it is made of. */
function readingOf(config: Config, format: FileFormat): Record<'plain' | 'shown', Map<string, unknown>> {
  const [schema, file] = [schemaBy(format), toFile(config, format)]
  return {
    plain: leavesOf(mapSecrets(schema, file, ({ value }) => JSON.stringify(value))),
    shown: leavesOf(mapSecrets(schema, file, maskOf)),
  }
}

/** Values by dotted key; members of a list that have a name go by it, other lists are values. */
function leavesOf(value: unknown, path = '', leaves = new Map<string, unknown>()): Map<string, unknown> {
  for (const [key, member] of entriesOf(value)) {
    const at = path === '' ? key : `${path}.${key}`
    if (entriesOf(member).length === 0) leaves.set(at, member)
    else leavesOf(member, at, leaves)
  }
  return leaves
}

function entriesOf(value: unknown): [string, unknown][] {
  if (Array.isArray(value)) {
    const named = value.map((member) => [nameOf(member), member] as const)
    return named.every((entry): entry is readonly [string, unknown] => entry[0] !== undefined)
      ? named.map(([name, member]) => [name, member])
      : []
  }
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return []
  return Object.entries(value)
}

function nameOf(member: unknown): string | undefined {
  if (typeof member !== 'object' || member === null) return undefined
  const { client_id, name } = member as { client_id?: unknown; name?: unknown }
  return typeof client_id === 'string' ? client_id : typeof name === 'string' ? name : undefined
}
