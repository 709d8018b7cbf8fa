import type { Sealer } from '../kernel/secrets.ts'
import { keyOf, type StateKey, type StateStore } from './store.ts'

/** A value as it was read, and the token that `replace` wants back. */
export interface Versioned<T> {
  value: T
  version: string
}

/** JSON values of one kind in the state store, sealed with the key's name as context, so that a dump of the store shows nothing (KM-8). */
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

export function createRecords<T>(kind: string, dependencies: { state: StateStore; sealer: Sealer }): Records<T> {
  const { state, sealer } = dependencies
  const seal = (key: StateKey, value: T): string => sealer.seal(JSON.stringify(value), key)
  const open = (key: StateKey, text: string): T => JSON.parse(sealer.open(text, key)) as T
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
      const text = await state.take(key)
      return text === undefined ? undefined : open(key, text)
    },
    replace(id, version, value, ttl) {
      const key = keyOf(kind, id)
      return state.compareAndSet(key, version, seal(key, value), ttl)
    },
    delete: (id) => state.delete(keyOf(kind, id)),
  }
}
