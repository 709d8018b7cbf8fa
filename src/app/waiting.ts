import type { RequestListener } from 'node:http'
import Koa from 'koa'
import { shortestPassword } from '../config/password-length.ts'
import { ConfigError } from '../kernel/errors.ts'
import { createSealer, deriveKey } from '../kernel/secrets.ts'
import { secondFactorOf } from '../mfa/policy/configured-policy.ts'
import { createAdministrators } from '../setup/administrator.ts'
import { createSetupProgress } from '../setup/progress.ts'
import { type SetupDependencies, setupRoutes, setupWaits, type Waiting } from '../setup/setup.ts'
import type { SetupTokens } from '../setup/token.ts'
import { createPages } from '../views/pages.ts'
import { assetFiles } from '../web/assets.ts'
import { createBrowsers } from '../web/browser.ts'
import { createBoundary } from '../web/error-pages.ts'
import { relyingPartiesOf } from '../web/relying-parties.ts'
import { createResponder } from '../web/responder.ts'
import { decisionsOf } from './decisions.ts'
import { doorOf } from './door.ts'
import type { Equipment, Stores } from './installation.ts'

interface WaitingParts {
  health: RequestListener
  tokens: SetupTokens
  answered(): Promise<void>
}

/** All there is before set-up is finished: its pages, and for everything else that it is not finished (A1). */
export async function waitingFor(
  site: Stores & Equipment,
  { health, tokens, answered }: WaitingParts,
): Promise<RequestListener> {
  const { config, texts, renderer, registry, accounts, hasher, state, clock, log } = site
  const { policy } = await decisionsOf(site)
  const known = policy.methods.map((type) => registry.get(type)).filter((factor) => factor !== undefined)
  const shortest = (enabled: boolean): number =>
    shortestPassword({ ...policy, secondFactor: secondFactorOf(enabled) }, config.passwords.minLength)
  const pages = createPages({ branding: config.branding }, { texts, renderer })
  const responder = createResponder({ texts, pages })
  const past = { find: async () => undefined }
  const boundary = createBoundary({ responder, parties: relyingPartiesOf([]), past, clock, log })
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
  app.use(setupRoutes(setupOf(site, { responder, waiting })))
  app.use(setupWaits(responder))
  return doorOf(site, { inside: app.callback(), health })
}

export function setupOf(
  { config, answers, trail, clock, state, secretKey }: Stores & Equipment,
  { responder, waiting }: Pick<SetupDependencies, 'responder' | 'waiting'>,
): SetupDependencies {
  const { issuer, limits } = config
  const sealer = createSealer(deriveKey(secretKey, 'state'))
  const progress = createSetupProgress({ state, sealer })
  const browsers = createBrowsers({ issuer, csrfKey: deriveKey(secretKey, 'csrf') }, { trail })
  return { waiting, progress, answers, browsers, responder, clock, limits, issuer }
}
