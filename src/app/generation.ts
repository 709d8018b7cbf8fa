import type { RequestListener } from 'node:http'
import Koa, { type Middleware } from 'koa'
import { createAccountModule } from '../account/module.ts'
import { createLocalPasswords } from '../accounts/password-checker.ts'
import { createPasswordThrottle } from '../accounts/password-throttle.ts'
import type { Config } from '../config/config.ts'
import { shortestPassword } from '../config/password-length.ts'
import { atItsPlace } from '../config/reading/place.ts'
import { createSignInModule } from '../interactions/module.ts'
import { deriveKey } from '../kernel/secrets.ts'
import type { Mailer } from '../mail/mailer.ts'
import { boundToAddress } from '../mfa/factors/registry.ts'
import { createVerifier } from '../mfa/factors/verification/verification.ts'
import { secondFactorOf } from '../mfa/policy/configured-policy.ts'
import type { HoldingDecision } from '../mfa/policy/setup-decision.ts'
import { createPendingProofs } from '../mfa/session/pending-proof.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { createPasswordLinkModule } from '../password-links/module.ts'
import { createEngineSessions } from '../provider/account-session.ts'
import { scopeOf } from '../provider/claims.ts'
import { cookieNames } from '../provider/cookies.ts'
import { formPostToGet } from '../provider/form-post.ts'
import { orderOf } from '../provider/keys.ts'
import { finishedSetup, waitingSetup } from '../setup/module.ts'
import type { SetupTokens } from '../setup/token.ts'
import { addressLimits, routeOf } from '../web/address-limits.ts'
import { createWeb, frontDoorOf } from '../web/module.ts'
import { type Decisions, decisionsOf } from './decisions.ts'
import { createEngine } from './engine.ts'
import { createServices, type Services } from './services.ts'
import type { Stores } from './stores.ts'
import { createWorkUnderWay, type WorkUnderWay } from './work-under-way.ts'

/** Everything that follows from one reading of the file. It owns what it opens, and ends it. */
export interface Generation {
  /** `mfa.enabled` is what holds, whoever said so. */
  config: Config
  setupDecision: HoldingDecision
  mailer: Mailer | undefined
  handler: RequestListener
  sessions: Sessions
  /** Which signing keys it was made with, in their order. */
  keys: string
  /** Waits until no request is under way in it, and for what relying parties and people are still to be told by it. */
  idle(): Promise<unknown>
  /** Ends its connections; mails on their way come to their end. Twice is as good as once. */
  close(): void
}

export interface GenerationParts {
  /** What was made from this file already; the generation ends it. Absent: it is made. */
  services?: Services | undefined
  health: RequestListener
  /** While set-up waits: who may finish it, and who is told that it is finished. Absent: it is done, or never was. */
  setup?: { tokens: SetupTokens; answered(): Promise<void> } | undefined
}

/** Throws `ConfigError` for a file that cannot work, and leaves nothing open then. */
export function createGeneration(stores: Stores, file: Config, parts: GenerationParts): Promise<Generation> {
  return atItsPlace(file, async () => {
    const services = parts.services ?? (await createServices(file, stores))
    try {
      return await generationOf(stores, services, parts)
    } catch (error) {
      services.closeServices()
      throw error
    }
  })
}

async function generationOf(
  stores: Stores,
  services: Services,
  { health, setup }: GenerationParts,
): Promise<Generation> {
  const { config, setupDecision, mailer } = services
  const decisions = await decisionsOf({ ...stores, ...services })
  const work = createWorkUnderWay()
  // What cannot work is refused also where set-up waits.
  const whole = await createApplication({ stores, services, decisions, work })
  const waits = setup !== undefined && setupDecision.from === 'nobody'
  const inside = waits ? createSetupApplication({ stores, services, decisions, setup, work }) : whole.inside
  const handler = frontDoorOf(
    { issuer: config.issuer, trustedProxies: config.listen.trustedProxies },
    { inside, health, log: stores.log, trail: stores.trail },
  )
  return {
    config,
    setupDecision,
    mailer,
    handler,
    sessions: whole.sessions,
    keys: whole.keys,
    idle: async () => {
      // Whoever is at work may still begin what is to be waited for.
      do {
        await work.none()
        await whole.settled()
      } while (work.count > 0)
    },
    close: services.closeServices,
  }
}

interface ApplicationParts {
  stores: Stores
  services: Services
  decisions: Decisions
  work: WorkUnderWay
}

interface Application {
  inside: RequestListener
  sessions: Sessions
  keys: string
  /** Waits for what relying parties and people are still to be told. */
  settled(): Promise<unknown>
}

/** Everything that a request can meet behind the front door, in this order. */
async function createApplication(given: ApplicationParts): Promise<Application> {
  const { stores, services, decisions, work } = given
  const { config } = services
  const { issuer, limits, branding, mfa } = config
  const { state, clock, trail, secretKey } = stores
  const { policy, used, guards } = decisions
  const engine = await createEngine(stores, services, decisions)
  const { provider, grants, web, sealer } = engine
  const passwords = createLocalPasswords(stores.accounts)
  const parts = { ...stores, ...services, ...decisions, ...engine, passwords }
  const cookies = cookieNames(issuer)
  const throttle = createPasswordThrottle(throttleOptions(limits), { state, now: () => clock.now() })
  const verifier = createVerifier(verifierOptions(config), { ...parts, authenticators: used })
  const minLength = shortestPassword(policy, config.passwords.minLength)
  const shared = { issuer, serviceName: branding.name, guard: mfa.enrolment.guard, minLength, limits }

  const links = createPasswordLinkModule(
    { ...shared, resetByMail: config.passwords.resetByMail, policy, mailed: new Set(boundToAddress(stores.kinds)) },
    parts,
  )
  const signIn = createSignInModule(
    { ...shared, guards, absolute: config.sessions.absolute, forgot: links.forgot, resumeCookie: cookies.resume },
    {
      ...parts,
      throttle,
      verifier,
      pendingProofs: createPendingProofs({ state, sealer }),
      grantId: (session, id, account) => grants.idFor(session, id, account),
      scopeOf,
    },
  )
  const account = createAccountModule(
    { ...shared, languages: config.languages, recoveryCodes: mfa.recoveryCodes },
    { ...parts, throttle, verifier, engineSessions: createEngineSessions(provider, { issuer }) },
  )
  const gates = addressLimits(
    {
      interactions: limits.interactionsPerAddress,
      clientFailures: limits.clientAuthPerMinute,
      sessionCookie: cookies.session,
    },
    { state, clock, trail },
  )
  const order: Middleware[] = [
    work.middleware,
    web.errorPages.middleware,
    web.assets,
    gates,
    formPostToGet(['/auth', '/session/end'], routeOf),
    signIn.guard,
    signIn.routes,
    account.routes,
    ...links.routes,
    finishedSetup({ issuer, limits }, { ...stores, web, secretKey }),
    web.errorPages.unknown,
  ]
  for (const middleware of order) provider.use(middleware)
  return {
    inside: provider.callback(),
    sessions: engine.sessions,
    keys: orderOf(engine.signingKeys),
    settled: () => Promise.all([engine.backChannel.settled(), links.settled(), account.settled()]),
  }
}

function throttleOptions(limits: Config['limits']) {
  return {
    tries: limits.passwordTries,
    delay: limits.passwordDelay,
    delayMax: limits.passwordDelayMax,
    perAddress: limits.passwordFailuresPerAddress,
    window: limits.passwordWindow,
    accountsPerAddress: limits.accountsPerAddress,
  }
}

function verifierOptions({ limits, sessions }: Config) {
  return {
    perInteraction: limits.codesPerInteraction,
    perHour: limits.codesPerHour,
    perDay: limits.codesPerDay,
    inARow: limits.codeFailuresInARow,
    interaction: sessions.signIn,
  }
}

/** All there is before set-up is finished: its pages, and for everything else that it is not finished (A1). */
function createSetupApplication(
  given: ApplicationParts & { setup: NonNullable<GenerationParts['setup']> },
): RequestListener {
  const { stores, services, decisions, setup, work } = given
  const { config, registry } = services
  const { issuer, branding, limits, passwords } = config
  const { policy } = decisions
  const { log, secretKey } = stores
  const web = createWeb(
    { issuer, branding, clients: [] },
    {
      ...stores,
      ...services,
      endedInteractions: { find: async () => undefined },
      csrfKey: deriveKey(secretKey, 'csrf'),
    },
  )
  const shortest = (enabled: boolean): number =>
    shortestPassword({ ...policy, secondFactor: secondFactorOf(enabled) }, passwords.minLength)
  const authenticators = policy.methods.map((type) => registry.get(type)).filter((factor) => factor !== undefined)
  const pages = waitingSetup(
    { issuer, limits, serviceName: branding.name, shortest },
    { ...stores, ...setup, web, authenticators },
  )
  const app = new Koa()
  // The front door has rewritten these headers.
  app.proxy = true
  app.on('error', (error: Error) => log.warn('a request broke off', { reason: error.message }))
  for (const middleware of [work.middleware, web.errorPages.middleware, web.assets, ...pages]) app.use(middleware)
  return app.callback()
}
