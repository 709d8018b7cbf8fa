import { type Adapter, type AdapterFactory, type AdapterPayload, errors } from 'oidc-provider'
import { type Clock, SECOND } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { createRecords, type Records } from '../state/records.ts'
import { keyOf, type StateKey, type StateStore } from '../state/store.ts'
import { interactionAdapter } from './ended-interactions.ts'
import { beginGeneration } from './grants.ts'
import { guarded } from './store-down.ts'

/** Seconds by which clocks of several gateways may differ; the engine's own `clockTolerance`. */
export const CLOCK_TOLERANCE = 15
/** How long the id of an ended or renewed session stays taken, so that a request under way cannot bring it back. */
const TOMBSTONE_TTL = 60 * SECOND
const MERGE_TRIES = 10

/** The longest lives, in seconds. Marks such as "used" have to outlive what they mark. */
export interface AdapterOptions {
  refreshTtl: number
  sessionTtl: number
  grantTtl: number
}

interface AdapterDependencies {
  state: StateStore
  sealer: Sealer
  clock: Clock
  log: Log
  /** Called when a code or refresh token was presented a second time. */
  onReplay: (model: string, grantId: string | undefined) => void
}

const ONE_USE = new Set(['AuthorizationCode', 'RefreshToken', 'PushedAuthorizationRequest'])
const BY_GRANT = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken'])

/**
 * The engine's storage, in our state store. It promises more than the engine asks: what is good once is used once,
 * and sessions that are saved at the same time are merged.
 */
export function createAdapterFactory(options: AdapterOptions, dependencies: AdapterDependencies): AdapterFactory {
  return (model) => guardedAdapter(adapterFor(model, options, dependencies))
}

function adapterFor(model: string, options: AdapterOptions, dependencies: AdapterDependencies): Adapter {
  if (model === 'Session') return sessionAdapter(options, dependencies)
  if (model === 'Interaction') return interactionAdapter(dependencies)
  if (model === 'Client') return NO_CLIENTS
  if (model === 'Grant') return grantAdapter(options, dependencies)
  if (ONE_USE.has(model)) return oneUseAdapter(model, options, dependencies)
  return plainAdapter(model, dependencies)
}

/** A store that is down becomes an error of the protocol. */
function guardedAdapter(adapter: Adapter): Adapter {
  return {
    upsert: guarded(adapter.upsert),
    find: guarded(adapter.find),
    findByUid: guarded(adapter.findByUid),
    findByUserCode: guarded(adapter.findByUserCode),
    consume: guarded(adapter.consume),
    destroy: guarded(adapter.destroy),
    revokeByGrantId: guarded(adapter.revokeByGrantId),
  } as Adapter
}

/** Clients stand in the configuration, so none are stored. */
const NO_CLIENTS: Adapter = {
  upsert: async () => undefined,
  find: async () => undefined,
  findByUid: async () => undefined,
  findByUserCode: async () => undefined,
  consume: async () => undefined,
  destroy: async () => undefined,
  revokeByGrantId: async () => undefined,
}

const grantIndex = (grantId: string): StateKey => keyOf('grant-tokens', grantId)
const kindOf = (model: string): string => `engine-${model}`

/** Milliseconds. The engine gives every record a lifetime; one without would stay for ever, so it is refused. */
function lifetime(expiresIn: number | undefined): number {
  if (expiresIn === undefined) throw new Error('a record without a lifetime')
  return (expiresIn + CLOCK_TOLERANCE) * SECOND
}

async function revokeGrant(state: StateStore, grantId: string): Promise<void> {
  const index = grantIndex(grantId)
  const keys = (await state.indexList(index)) as StateKey[]
  await state.delete(...keys, index)
}

function plainAdapter(model: string, { state, sealer, log }: AdapterDependencies): Adapter {
  const records = createRecords<AdapterPayload>(kindOf(model), { state, sealer, log })
  return {
    async upsert(id, payload, expiresIn) {
      const ttl = lifetime(expiresIn)
      const indexed = BY_GRANT.has(model) && payload.grantId !== undefined
      await Promise.all([
        records.set(id, payload, ttl),
        indexed ? state.indexAdd(grantIndex(payload.grantId as string), keyOf(kindOf(model), id), ttl) : undefined,
      ])
    },
    find: async (id) => (await records.get(id))?.value,
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    consume: async () => undefined,
    destroy: (id) => records.delete(id),
    // One index serves all models of a grant, so that the engine's calls for the other models find it empty.
    revokeByGrantId: (grantId) => revokeGrant(state, grantId),
  }
}

function grantAdapter({ grantTtl }: AdapterOptions, dependencies: AdapterDependencies): Adapter {
  const plain = plainAdapter('Grant', dependencies)
  return {
    ...plain,
    async destroy(id) {
      // A request that is saving this grant right now notices the new generation, or saves what nobody finds any more.
      await beginGeneration(dependencies.state, id, lifetime(grantTtl))
      await plain.destroy(id)
    },
  }
}

/**
 * Codes, refresh tokens and pushed requests: the first one to say so uses them. They are kept until they expire, so
 * that a second use is noticed (OA-3, X5).
 */
function oneUseAdapter(model: string, options: AdapterOptions, dependencies: AdapterDependencies): Adapter {
  const { state, sealer, log, onReplay } = dependencies
  const records = createRecords<AdapterPayload>(kindOf(model), { state, sealer, log })
  const used = (id: string): StateKey => keyOf(`used-${model}`, id)
  const usedTtl = lifetime(model === 'RefreshToken' ? options.refreshTtl : 10 * 60)
  return {
    ...plainAdapter(model, dependencies),
    async find(id) {
      const [found, usedAt] = await Promise.all([records.get(id), state.get(used(id))])
      if (found === undefined) return undefined
      return usedAt === undefined ? found.value : { ...found.value, consumed: Number(usedAt) }
    },
    async consume(id) {
      if (await state.add(used(id), '1', usedTtl)) return
      // Somebody else has used it since it was read. RFC 6749, section 4.1.2: deny, and revoke what was issued for it.
      const grantId = (await records.get(id))?.value.grantId
      onReplay(model, grantId)
      if (grantId !== undefined) {
        await revokeGrant(state, grantId)
        await grantAdapter(options, dependencies).destroy(grantId)
      }
      throw model === 'PushedAuthorizationRequest'
        ? new errors.InvalidRequestUri('request_uri was used before')
        : new errors.InvalidGrant('it was used before')
    },
  }
}

type Stored = { session: AdapterPayload } | { ended: true }

/**
 * Sessions: when two relying parties authorize at the same time, both keep their grant, because a save merges
 * `authorizations` into what is stored (compare-and-set). The id of a session that has ended or got a new id stays
 * taken for a while. A late save under a replaced id goes to the session's new id; one after a sign-out goes nowhere.
 */
function sessionAdapter(options: AdapterOptions, { state, sealer, log }: AdapterDependencies): Adapter {
  const records = createRecords<Stored>(kindOf('Session'), { state, sealer, log })
  const byUid = createRecords<string>('session-uid', { state, sealer, log })

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
    destroy: (id) => records.set(id, { ended: true }, Math.min(TOMBSTONE_TTL, lifetime(options.sessionTtl))),
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
