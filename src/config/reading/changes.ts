import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config.ts'
import type { AuthenticatorBlocks } from '../schema/block.ts'
import { shownConfig } from './print.ts'

/** One key that differs; values are as `config print` shows them, secrets masked. */
export interface ConfigChange {
  /** Dotted: `mfa.rememberDays`, `clients.nocobase.redirect_uris`. */
  key: string
  before: unknown
  after: unknown
}

/** What differs between two configurations, key by key; a secret that changed shows as masked on both sides. */
export function changesBetween(
  before: Config,
  after: Config,
  options: { blocks: AuthenticatorBlocks },
): ConfigChange[] {
  const [shownBefore, shownAfter] = [leavesOf(shownConfig(before, options)), leavesOf(shownConfig(after, options))]
  const [rawBefore, rawAfter] = [leavesOf({ ...before }), leavesOf({ ...after })]
  const keys = [...new Set([...shownBefore.keys(), ...shownAfter.keys()])]
  const hidden = (key: string): boolean => SECRET.test(key) && !isDeepStrictEqual(rawBefore.get(key), rawAfter.get(key))
  return keys
    .filter((key) => hidden(key) || !isDeepStrictEqual(shownBefore.get(key), shownAfter.get(key)))
    .map((key) => ({ key, before: shownBefore.get(key), after: shownAfter.get(key) }))
}

/** Keys whose values are shown masked, wholly or in part. */
const SECRET = /(^secretKey|\.client_secret|^mail\.smtp|^stores\.(state|accounts))$/

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
