import type { RequestListener } from 'node:http'
import type { Middleware } from 'koa'
import type { AuditTrail } from '../audit/audit.ts'
import type { ClientConfig, Config } from '../config/config.ts'
import type { Clock } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'
import type { EndedInteractions } from '../mfa/session/ended-interaction.ts'
import { createPages, type Pages } from '../views/pages.ts'
import type { Renderer } from '../views/renderer.ts'
import type { Texts } from '../views/texts.ts'
import { assetFiles } from './assets.ts'
import { type Browsers, createBrowsers } from './browser.ts'
import { createErrorPages, type ErrorPages } from './error-pages.ts'
import { createFrontDoor } from './front-door.ts'
import { securityHeaders } from './headers.ts'
import { type RelyingParties, relyingPartiesOf } from './relying-parties.ts'
import { createResponder, type Responder } from './responder.ts'

export interface WebOptions {
  issuer: string
  branding: Config['branding']
  /** Those whose names and logos pages show. */
  clients: readonly (ClientConfig & { own?: OwnPage })[]
}

export interface WebDependencies {
  texts: Texts
  renderer: Renderer
  endedInteractions: EndedInteractions
  trail: AuditTrail
  clock: Clock
  log: Log
  /** Of the tokens in forms alone. */
  csrfKey: Buffer
}

/** What every page shares. */
export interface Web {
  responder: Responder
  errorPages: ErrorPages
  browsers: Browsers
  parties: RelyingParties
  /** What people call a relying party. */
  nameOf(clientId: string): string
  /** The files that pages link to. */
  assets: Middleware
}

export function createWeb({ issuer, branding, clients }: WebOptions, dependencies: WebDependencies): Web {
  const { texts, renderer, endedInteractions, trail, clock, log, csrfKey } = dependencies
  const clientLogos = [...new Set(clients.flatMap(({ logo }) => logo ?? []))]
  const pages: Pages = createPages({ branding, clientLogos }, { texts, renderer })
  const responder = createResponder({ texts, pages })
  const parties = relyingPartiesOf(clients)
  return {
    responder,
    errorPages: createErrorPages({ responder, parties, endedInteractions, clock, log }),
    browsers: createBrowsers({ issuer, csrfKey }, { trail }),
    parties,
    nameOf: (clientId) => parties.get(clientId)?.name ?? clientId,
    assets: assetFiles(pages.assets),
  }
}

/** What every request passes first. */
export function frontDoorOf(
  { issuer, trustedProxies }: { issuer: string; trustedProxies: readonly string[] },
  given: { inside: RequestListener; health: RequestListener; log: Log; trail: AuditTrail },
): RequestListener {
  const { inside, health, log, trail } = given
  return createFrontDoor(
    { issuer, trustedProxies, headers: securityHeaders(issuer) },
    {
      inside,
      health,
      onRefused: (host, ip) => {
        log.debug('a request for another host was refused', { host: host.slice(0, 100) })
        trail.record({ event: 'host.rejected', outcome: 'fail', ip })
      },
    },
  )
}
