import type { Log } from '../kernel/log.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { assertKnown, STATE_FORMAT } from './format.ts'
import { keyOf, type StateKey, type StateStore } from './store.ts'

/** A value as it was read, and the token that `replace` wants back. */
export interface Versioned<T> {
  value: T
  version: string
}

/**
 * JSON values of one kind in the state store, sealed with the key's name as context, so that a dump of the store
 * shows nothing (KM-8). Each says in which format it was written; one that is newer than this program is
 * `UnavailableError` and stays where it is.
 */
export interface Records<T> {
  get(id: string): Promise<Versioned<T> | undefined>
  set(id: string, value: T, ttl: number): Promise<void>
  /** True for the one caller that set it. */
  add(id: string, value: T, ttl: number): Promise<boolean>
  /** At most one caller gets it. */
  take(id: string): Promise<T | undefined>
  /** Compare-and-set: false when somebody else wrote since `version` was read. */
  replace(id: string, version: string, value: T, ttl: number): Promise<boolean>
  delete(id: string): Promise<void>
}

export interface RecordsDependencies {
  state: StateStore
  sealer: Sealer
  /** Told of records that cannot be read, for callers whose errors nobody logs. */
  log?: Log
}

export function createRecords<T>(kind: string, dependencies: RecordsDependencies): Records<T> {
  const { state, sealer, log } = dependencies
  const seal = (key: StateKey, value: T): string => sealer.seal(JSON.stringify(marked(value)), key)
  const open = (key: StateKey, text: string): T => unmarked(JSON.parse(sealer.open(text, key)), { kind, log }) as T
  return {
    async get(id) {
      const key = keyOf(kind, id)
      const version = await state.get(key)
      return version === undefined ? undefined : { value: open(key, version), version }
    },
    set(id, value, ttl) {
      const key = keyOf(kind, id)
      return state.set(key, seal(key, value), ttl)
    },
    add(id, value, ttl) {
      const key = keyOf(kind, id)
      return state.add(key, seal(key, value), ttl)
    },
    async take(id) {
      const key = keyOf(kind, id)
      const held = await state.get(key)
      // What cannot be read is not taken away from who can.
      if (held !== undefined) open(key, held)
      const text = held === undefined ? undefined : await state.take(key)
      return text === undefined ? undefined : open(key, text)
    },
    replace(id, version, value, ttl) {
      const key = keyOf(kind, id)
      return state.compareAndSet(key, version, seal(key, value), ttl)
    },
    delete: (id) => state.delete(keyOf(kind, id)),
  }
}

/** In every record that has members. The name begins as none of ours does. */
const MEMBER = '$format'

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A text or a number has no place for it, and no form that could change: it would become an object. */
const marked = (value: unknown): unknown =>
  isObject(value) ? { ...value, [MEMBER]: STATE_FORMAT.writes.format } : value

function unmarked(value: unknown, { kind, log }: { kind: string; log: Log | undefined }): unknown {
  if (!isObject(value)) return value
  const { [MEMBER]: format = 1, ...rest } = value
  assertKnown(format, kind, log)
  return rest
}
