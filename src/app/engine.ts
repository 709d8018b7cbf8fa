import { ownClients } from '../account/own-clients.ts'
import { createEnginePages } from '../interactions/engine-pages.ts'
import { createSealer, deriveKey } from '../kernel/secrets.ts'
import { createAdmissions } from '../mfa/policy/admission.ts'
import { reachableLevels } from '../mfa/policy/configured-policy.ts'
import { createSessionProofs } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { createEndedInteractions } from '../provider/ended-interactions.ts'
import { keptFor, loadSigningKeys } from '../provider/keys.ts'
import { createProvider } from '../provider/provider.ts'
import { createSessions } from '../provider/sessions.ts'
import { createWeb } from '../web/module.ts'
import { type Decisions, decisionsOf } from './decisions.ts'
import type { Services } from './services.ts'
import type { Stores } from './stores.ts'

export type EngineStores = Pick<
  Stores,
  'accounts' | 'bindings' | 'clock' | 'keys' | 'kinds' | 'log' | 'secretKey' | 'settings' | 'state' | 'trail'
>
export type EngineServices = Pick<Services, 'config' | 'devices' | 'mailer' | 'registry' | 'renderer' | 'texts'>

/**
 * The protocol engine under one configuration, with what it asks and the pages it shows by itself: a gateway answers by
 * it, a command ends sessions with it.
 */
export async function createEngine(stores: EngineStores, services: EngineServices, decisions: Decisions) {
  const { clock, log, state, accounts, trail, secretKey } = stores
  const { config, registry, devices } = services
  const { issuer } = config
  const { policy, decider, acr } = decisions
  const sealer = createSealer(deriveKey(secretKey, 'state'))
  const proofs = createSessionProofs({ state, sealer })
  const admissions = createAdmissions({ decider, devices, clock })
  const clients = [...config.clients, ...ownClients({ issuer, name: config.branding.name })]
  const endedInteractions = createEndedInteractions({
    state,
    sealer: createSealer(deriveKey(secretKey, 'engine')),
    clock,
  })
  const csrfKey = deriveKey(secretKey, 'csrf')
  const web = createWeb(
    { issuer, branding: config.branding, clients },
    { ...stores, ...services, endedInteractions, csrfKey },
  )
  const signingKeys = await loadSigningKeys(stores, { kept: keptFor(config), rsaBits: config.tokens.rsaBits })
  const { provider, grants, backChannel } = await createProvider(
    {
      issuer,
      clients,
      resources: config.resources,
      sessions: config.sessions,
      tokens: config.tokens,
      allowHosts: config.outbound.allowHosts,
      languages: config.languages,
      reachable: reachableLevels(policy, registry),
    },
    {
      ...{ decider, acr, proofs, admissions, accounts, state, secretKey, signingKeys, trail, clock, log },
      refresh: config.tokens.refresh,
      pages: createEnginePages({ responder: web.responder, errorPages: web.errorPages, accounts }),
    },
  )
  const sessions = createSessions({ provider, backChannel, proofs, state, trail, clock })
  return { provider, signingKeys, grants, backChannel, sessions, sessionProofs: proofs, sealer, admissions, web }
}

/**
 * Ends sessions of an installation whose gateways run elsewhere. `unreached`: clients that could not be told, once
 * everything else is done.
 */
export async function openSessions(
  installation: EngineStores & EngineServices,
): Promise<{ sessions: Sessions; unreached(): Promise<string[]> }> {
  const decisions = await decisionsOf(installation)
  const { sessions, backChannel } = await createEngine(installation, installation, decisions)
  return { sessions, unreached: backChannel.settled }
}
