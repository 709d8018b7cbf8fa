import type { Adapter, AdapterPayload } from 'oidc-provider'
import { SECOND } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { createRecords, type Records } from '../state/records.ts'
import type { StateStore } from '../state/store.ts'
import { kindOf, lifetime } from './engine-records.ts'

/** How long the id of an ended or renewed session stays taken, so that a request under way cannot bring it back. */
const TOMBSTONE_TTL = 60 * SECOND
const MERGE_TRIES = 10

type Stored = { session: AdapterPayload } | { ended: true }

/**
 * Sessions: when two relying parties authorize at the same time, both keep their grant, because a save merges
 * `authorizations` into what is stored (compare-and-set). The id of a session that has ended or got a new id stays
 * taken for a while. A late save under a replaced id goes to the session's new id; one after a sign-out goes nowhere.
 */
export function sessionAdapter(
  { sessionTtl }: { sessionTtl: number },
  dependencies: { state: StateStore; sealer: Sealer; log: Log },
): Adapter {
  const records = createRecords<Stored>(kindOf('Session'), dependencies)
  const byUid = createRecords<string>('session-uid', dependencies)

  /** Answers whether the record stands under `id` now. */
  async function save(id: string, payload: AdapterPayload, ttl: number): Promise<boolean> {
    const [created, current] = await Promise.all([records.add(id, { session: payload }, ttl), records.get(id)])
    if (created || (await merge(records, { id, payload, ttl, current }))) return true
    const successor = payload.uid === undefined ? undefined : (await byUid.get(payload.uid))?.value
    if (successor === undefined || successor === id) return false
    const stored = await records.get(successor)
    if (stored === undefined || 'ended' in stored.value) return false
    const moved = { ...stored.value.session, authorizations: payload.authorizations } as AdapterPayload
    await merge(records, { id: successor, payload: moved, ttl, current: stored })
    return false
  }

  return {
    async upsert(id, payload, expiresIn) {
      const ttl = lifetime(expiresIn)
      // A save that went nowhere must not make the ended session findable by its uid again.
      if ((await save(id, payload, ttl)) && payload.uid !== undefined) await byUid.set(payload.uid, id, ttl)
    },
    find: async (id) => sessionIn((await records.get(id))?.value),
    async findByUid(uid) {
      const id = (await byUid.get(uid))?.value
      return id === undefined ? undefined : sessionIn((await records.get(id))?.value)
    },
    findByUserCode: async () => undefined,
    consume: async () => undefined,
    destroy: (id) => records.set(id, { ended: true }, Math.min(TOMBSTONE_TTL, lifetime(sessionTtl))),
    revokeByGrantId: async () => undefined,
  }
}

function sessionIn(stored: Stored | undefined): AdapterPayload | undefined {
  return stored !== undefined && 'session' in stored ? stored.session : undefined
}

interface Merge {
  id: string
  payload: AdapterPayload
  ttl: number
  current: { value: Stored; version: string } | undefined
}

/**
 * Merges a save into what is stored; false when the session under this id has ended, so that nothing may be saved
 * there.
 */
async function merge(records: Records<Stored>, { id, payload, ttl, current }: Merge): Promise<boolean> {
  let seen = current
  for (let tries = 0; tries < MERGE_TRIES; tries += 1) {
    if (seen === undefined) {
      if (await records.add(id, { session: payload }, ttl)) return true
    } else {
      if ('ended' in seen.value) return false
      const authorizations = { ...seen.value.session.authorizations, ...payload.authorizations }
      const session = {
        ...payload,
        ...(Object.keys(authorizations).length > 0 ? { authorizations } : {}),
      } as AdapterPayload
      if (await records.replace(id, seen.version, { session }, ttl)) return true
    }
    seen = await records.get(id)
  }
  throw new UnavailableError('session merge')
}
