import type { Adapter, AdapterPayload } from 'oidc-provider'
import { type Clock, HOUR, SECOND } from '../kernel/clock.ts'
import type { Sealer } from '../kernel/secrets.ts'
import type { EndedInteractions } from '../mfa/session/ended-interaction.ts'
import { createRecords } from '../state/records.ts'
import { keyOf, type StateKey, type StateStore } from '../state/store.ts'

/** How long an authorization request is remembered after its end, so that an old page can lead back to it (J3). */
const KEPT = HOUR

interface Dependencies {
  state: StateStore
  sealer: Sealer
  clock: Clock
}

const recordsOf = (dependencies: Dependencies) => createRecords<AdapterPayload>('engine-Interaction', dependencies)
const endedKey = (uid: string): StateKey => keyOf('interaction-ended', uid)

/**
 * Interactions, as the engine stores them. For the engine they are gone when they end or their time is up, but the
 * record stays.
 */
export function interactionAdapter(dependencies: Dependencies): Adapter {
  const { state, clock } = dependencies
  const records = recordsOf(dependencies)
  return {
    async upsert(uid, payload, expiresIn) {
      await records.set(uid, payload, Number(expiresIn) * SECOND + KEPT)
    },
    async find(uid) {
      const [found, ended] = await Promise.all([records.get(uid), state.get(endedKey(uid))])
      if (found === undefined || ended !== undefined) return undefined
      return clock.now() < Number(found.value.exp) * SECOND ? found.value : undefined
    },
    async destroy(uid) {
      await state.set(endedKey(uid), '1', 2 * KEPT)
    },
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
    consume: async () => undefined,
    revokeByGrantId: async () => undefined,
  }
}

/** Interactions that are over, for the pages that lead back to the application. */
export function createEndedInteractions(dependencies: Dependencies): EndedInteractions {
  const { state } = dependencies
  const records = recordsOf(dependencies)
  return {
    async find(uid) {
      const [found, ended] = await Promise.all([records.get(uid), state.get(endedKey(uid))])
      const params = found?.value.params
      if (found === undefined || params === undefined || typeof params.client_id !== 'string') return undefined
      return {
        clientId: params.client_id,
        params,
        startedAt: Number(found.value.iat) * SECOND,
        ended: ended !== undefined,
      }
    },
  }
}
