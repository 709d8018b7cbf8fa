import { ownClients } from '../account/own-clients.ts'
import type { Config } from '../config/config.ts'
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
import { createPages } from '../views/pages.ts'
import { createErrorPages } from '../web/error-pages.ts'
import { relyingPartiesOf } from '../web/relying-parties.ts'
import { createResponder } from '../web/responder.ts'
import { decisionsOf } from './decisions.ts'
import type { Services, Stores } from './installation.ts'

/** The engine under one configuration, with what it asks and what asks it: a gateway answers by it, a command ends sessions with it. */
export async function engineOf(installation: Stores & Services) {
  const { config, clock, log, state, accounts, trail, secretKey, registry, devices, texts, renderer } = installation
  const { issuer, sessions: lives } = config
  const { policy, decider, acr } = await decisionsOf(installation)
  const sealer = createSealer(deriveKey(secretKey, 'state'))
  const sessionProofs = createSessionProofs({ state, sealer })
  const pages = createPages({ branding: config.branding, clientLogos: logosOf(config.clients) }, { texts, renderer })
  const responder = createResponder({ texts, pages })
  const clients = [...config.clients, ...ownClients({ issuer, name: config.branding.name })]
  const parties = relyingPartiesOf(clients)
  const endedInteractions = createEndedInteractions({
    state,
    sealer: createSealer(deriveKey(secretKey, 'engine')),
    clock,
  })
  const boundary = createErrorPages({ responder, parties, endedInteractions, clock, log })
  const admissions = createAdmissions({ decider, devices, clock })
  const signingKeys = await loadSigningKeys(installation, { kept: keptFor(config), rsaBits: config.tokens.rsaBits })
  const { provider, grants, backChannel } = await createProvider(
    {
      issuer,
      clients,
      resources: config.resources,
      sessions: lives,
      tokens: config.tokens,
      allowHosts: config.outbound.allowHosts,
      languages: config.languages,
      reachable: reachableLevels(policy, registry),
    },
    {
      decider,
      acr,
      proofs: sessionProofs,
      admissions,
      trail,
      clock,
      log,
      refresh: config.tokens.refresh,
      accounts,
      state,
      secretKey,
      signingKeys,
      pages: createEnginePages({ responder, boundary, accounts }),
    },
  )
  const sessions = createSessions({ provider, backChannel, proofs: sessionProofs, state, trail, clock })
  return {
    provider,
    signingKeys,
    grants,
    backChannel,
    sessions,
    sessionProofs,
    sealer,
    policy,
    decider,
    admissions,
    acr,
    pages,
    responder,
    parties,
    boundary,
  }
}

/** Ends sessions of an installation whose gateways run elsewhere. `unreached`: clients that could not be told, once everything else is done. */
export async function openSessions(
  installation: Stores & Services,
): Promise<{ sessions: Sessions; unreached(): Promise<string[]> }> {
  const { sessions, backChannel } = await engineOf(installation)
  return { sessions, unreached: backChannel.settled }
}

function logosOf(clients: Config['clients']): string[] {
  return [...new Set(clients.flatMap(({ logo }) => logo ?? []))]
}
