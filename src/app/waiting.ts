import type { RequestListener } from 'node:http'
import Koa from 'koa'
import { shortestPassword } from '../config/password-length.ts'
import { ConfigError } from '../kernel/errors.ts'
import { createSealer, deriveKey } from '../kernel/secrets.ts'
import { secondFactorOf } from '../mfa/policy/configured-policy.ts'
import { createAdministrators } from '../setup/administrator.ts'
import { type SetupDependencies, setupRoutes, setupWaits, type Waiting } from '../setup/setup.ts'
import { createSetupStates } from '../setup/setup-state.ts'
import type { SetupTokens } from '../setup/token.ts'
import { createPages } from '../views/pages.ts'
import { assetFiles } from '../web/assets.ts'
import { createBrowsers } from '../web/browser.ts'
import { createErrorPages } from '../web/error-pages.ts'
import { relyingPartiesOf } from '../web/relying-parties.ts'
import { createResponder } from '../web/responder.ts'
import { decisionsOf } from './decisions.ts'
import { frontDoor } from './front-door.ts'
import type { Services, Stores } from './installation.ts'

interface WaitingParts {
  health: RequestListener
  tokens: SetupTokens
  answered(): Promise<void>
}

/** All there is before set-up is finished: its pages, and for everything else that it is not finished (A1). */
export async function waitingFor(
  installation: Stores & Services,
  { health, tokens, answered }: WaitingParts,
): Promise<RequestListener> {
  const { config, texts, renderer, registry, accounts, hasher, state, clock, log } = installation
  const { policy } = await decisionsOf(installation)
  const known = policy.methods.map((type) => registry.get(type)).filter((factor) => factor !== undefined)
  const shortest = (enabled: boolean): number =>
    shortestPassword({ ...policy, secondFactor: secondFactorOf(enabled) }, config.passwords.minLength)
  const pages = createPages({ branding: config.branding }, { texts, renderer })
  const responder = createResponder({ texts, pages })
  const endedInteractions = { find: async () => undefined }
  const boundary = createErrorPages({ responder, parties: relyingPartiesOf([]), endedInteractions, clock, log })
  const [first, ...others] = known.map((factor) =>
    createAdministrators({ serviceName: config.branding.name, shortest }, { accounts, hasher, factor, state, clock }),
  )
  if (first === undefined) throw new ConfigError('mfa.methods', 'none of them is there')
  const waiting: Waiting = { tokens, factors: [first, ...others], shortest, answered }
  const app = new Koa()
  // The door has rewritten these headers.
  app.proxy = true
  app.on('error', (error: Error) => log.warn('a request broke off', { reason: error.message }))
  app.use(boundary.middleware)
  app.use(assetFiles(pages.assets))
  app.use(setupRoutes(setupOf(installation, { responder, waiting })))
  app.use(setupWaits(responder))
  return frontDoor(installation, { inside: app.callback(), health })
}

export function setupOf(
  { config, setupDecisions, trail, clock, state, secretKey }: Stores & Services,
  { responder, waiting }: Pick<SetupDependencies, 'responder' | 'waiting'>,
): SetupDependencies {
  const { issuer, limits } = config
  const sealer = createSealer(deriveKey(secretKey, 'state'))
  const states = createSetupStates({ state, sealer })
  const browsers = createBrowsers({ issuer, csrfKey: deriveKey(secretKey, 'csrf') }, { trail })
  return { waiting, states, setupDecisions, browsers, responder, clock, limits, issuer }
}
