import { type Adapter, type AdapterFactory, type AdapterPayload, errors } from 'oidc-provider'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { createRecords } from '../state/records.ts'
import { keyOf, type StateKey, type StateStore } from '../state/store.ts'
import { interactionAdapter } from './ended-interactions.ts'
import { kindOf, lifetime } from './engine-records.ts'
import { beginGeneration } from './grants.ts'
import { sessionAdapter } from './session-adapter.ts'
import { guarded } from './store-down.ts'

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
