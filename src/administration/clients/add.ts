import { type ClientEntry, entryOf, type PresetName } from '../../config/schema/client-presets.ts'
import { ConfigError } from '../../kernel/errors.ts'
import type { NotDone } from '../not-done.ts'

export interface AddClientDependencies {
  /** Those that there are. */
  clients: readonly { client_id: string }[]
  /**
   * Reads the entry as the only one of a configuration, so that what is wrong with it is said in its own words. Throws
   * ConfigError.
   */
  read(entry: ClientEntry): void
  /** Keeps it; absent where the administrator does that by hand. */
  insert?: ((entry: ClientEntry) => void) | undefined
}

export interface AddClientFacts {
  id: string
  name?: string | undefined
  preset: PresetName
  redirects: readonly string[]
}

/** `redirect-broken`: `uri` is no absolute URL. `entry`: `key` of it cannot be so, for that `problem`. */
export type ClientNotAdded =
  | NotDone<'redirect-missing'>
  | (NotDone<'redirect-broken'> & { uri: string })
  | NotDone<'exists'>
  | (NotDone<'entry'> & { key: string; problem: string })

/** Makes the entry of a new client, with a fresh secret where its kind can keep one. */
export function addClient(
  { clients, read, insert }: AddClientDependencies,
  { preset, ...facts }: AddClientFacts,
): { ok: true; entry: ClientEntry } | ClientNotAdded {
  const { id, name, redirects } = facts
  if (redirects.length === 0 && preset !== 'machine') return { ok: false, reason: 'redirect-missing' }
  const uri = redirects.find((redirect) => !URL.canParse(redirect))
  if (uri !== undefined) return { ok: false, reason: 'redirect-broken', uri }
  const entry = entryOf(preset, { id, name, redirects })
  if (clients.some(({ client_id }) => client_id === id)) return { ok: false, reason: 'exists' }
  try {
    read(entry)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { ok: false, reason: 'entry', key: error.key.replace(/^clients\[0\]\.?/, ''), problem: error.reason }
  }
  insert?.(entry)
  return { ok: true, entry }
}
