import type { RequestListener, Server } from 'node:http'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Koa from 'koa'
import { accountRoutes } from './account/account-page.ts'
import { activitySection } from './account/activity.ts'
import { type AddressSection, createAddressSection } from './account/address.ts'
import { devicesSection } from './account/devices.ts'
import { createEntrance } from './account/entrance.ts'
import { factorsSection } from './account/factors.ts'
import { FORGOT, forgotRoutes } from './account/forgot-page.ts'
import { createLanguageSection } from './account/language.ts'
import { ownClients } from './account/own-clients.ts'
import { createPasswordSection } from './account/password.ts'
import { type LinkPage, passwordLinkRoutes } from './account/password-link-pages.ts'
import { createPendingAddresses } from './account/pending-address.ts'
import { createRecoverySection } from './account/recovery.ts'
import { createResetRequests, type ResetRequests } from './account/reset-requests.ts'
import type { Section } from './account/section.ts'
import { sessionsSection } from './account/sessions.ts'
import { createVisitors } from './account/visitors.ts'
import type { AccountAdmin } from './accounts/account-store.ts'
import { createActivations } from './accounts/activation.ts'
import { createPasswordLinks } from './accounts/password-links.ts'
import { createPasswordThrottle, type PasswordThrottle } from './accounts/password-throttle.ts'
import { createHasher, type Hasher } from './accounts/passwords.ts'
import type { AuditStore, AuditTrail } from './audit/audit.ts'
import { createSparingTrail } from './audit/sparing.ts'
import { createAuditTrail } from './audit/trail.ts'
import { type ClockReading, type ClockWatch, createClockWatch, isWrong } from './clock/clock-check.ts'
import type { Config } from './config/config.ts'
import { shortestPassword } from './config/password-length.ts'
import { placed } from './config/place.ts'
import type { SettingStore } from './config/setting-store.ts'
import { addressLimits, routeOf } from './http/address-limits.ts'
import { assetFiles } from './http/assets.ts'
import { createFrontDoor } from './http/front-door.ts'
import { createHealth } from './http/health.ts'
import { createMetrics, type Metrics } from './http/metrics.ts'
import { createHttpServer, drain, listening } from './http/server.ts'
import { shutDown } from './http/shutdown.ts'
import { createAnswers } from './interactions/answers.ts'
import { createBoundary } from './interactions/boundary.ts'
import { createBrowsers } from './interactions/browser.ts'
import { createConsent } from './interactions/consent.ts'
import { createInteractions } from './interactions/engine.ts'
import { createEnginePages } from './interactions/engine-pages.ts'
import { createFactors } from './interactions/factor.ts'
import { securityHeaders } from './interactions/headers.ts'
import { createLogin } from './interactions/login.ts'
import { createProgress } from './interactions/progress.ts'
import { relyingPartiesOf } from './interactions/relying-parties.ts'
import { createAccountCookies } from './interactions/remembered-browsers.ts'
import { createResponder } from './interactions/responder.ts'
import { interactionRoutes } from './interactions/routes.ts'
import { createAdministrators } from './interactions/setup/administrator.ts'
import { createSetupProgress } from './interactions/setup/progress.ts'
import { type SetupDependencies, setupRoutes, setupWaits, type Waiting } from './interactions/setup/setup.ts'
import { createSetupTokens, type SetupTokens } from './interactions/setup/token.ts'
import { createSignIns } from './interactions/sign-in.ts'
import { createStepPages } from './interactions/step-pages.ts'
import { type Clock, MINUTE, SECOND, systemClock } from './kernel/clock.ts'
import { ConfigError, Unavailable } from './kernel/errors.ts'
import { readOrMakeKey } from './kernel/key-file.ts'
import { type Log, silentLog } from './kernel/log.ts'
import { createSealer, deriveKey, type Sealer } from './kernel/secrets.ts'
import type { Mailer } from './mail/mailer.ts'
import { createNotices, type Notices } from './mail/notices.ts'
import type { Outbox } from './mail/outbox.ts'
import { createOutboxRunner, type OutboxRunner } from './mail/outbox-runner.ts'
import { createSmtpMailer } from './mail/smtp-mailer.ts'
import { type AcrNames, createAcrNames } from './mfa/acr.ts'
import { createAdmissions } from './mfa/admission.ts'
import type { AnswerStore } from './mfa/answer-store.ts'
import type { BindingStore } from './mfa/binding-store.ts'
import { policyFrom, reachableLevels, refuseUnreachable, secondFactorOf } from './mfa/configured-policy.ts'
import { createDecider, type Decider } from './mfa/decider.ts'
import { type Holding, holdingAnswer, keepFileAnswer } from './mfa/mfa-answer.ts'
import { createPendingProofs } from './mfa/pending-proof.ts'
import type { Policy } from './mfa/policy.ts'
import type { PostponementStore } from './mfa/postponement-store.ts'
import type { BypassCodes, RecoveryCodes } from './mfa/recovery.ts'
import { createBypassCodes } from './mfa/recovery-code/bypass-codes.ts'
import { createRecoveryCodes } from './mfa/recovery-code/recovery-codes.ts'
import { createRegistry, KINDS, type Registry } from './mfa/registry.ts'
import {
  createRememberedDevices,
  type RememberedDevices,
  type RememberedDevicesDependencies,
} from './mfa/remembered-device.ts'
import { createSessionProofs, type SessionProofRecords } from './mfa/session-proofs.ts'
import type { Sessions } from './mfa/sessions.ts'
import { createVerifier } from './mfa/verification.ts'
import { createEngineSessions } from './provider/account-session.ts'
import { scopeOf } from './provider/claims.ts'
import { cookieNames } from './provider/cookies.ts'
import { formPostToGet } from './provider/form-post.ts'
import type { KeyStore } from './provider/key-store.ts'
import { keptFor, loadSigningKeys, orderOf, removeOldKeys } from './provider/keys.ts'
import { createPastRequests } from './provider/past-requests.ts'
import { createProvider } from './provider/provider.ts'
import { createSessions } from './provider/sessions.ts'
import { createSqlAccounts } from './sql/accounts.ts'
import { createSqlAnswers } from './sql/answers.ts'
import { createSqlAudit } from './sql/audit.ts'
import { createSqlBindings } from './sql/bindings.ts'
import { type Database, openDatabase } from './sql/database.ts'
import { createSqlKeys } from './sql/keys.ts'
import { createSqlOutbox } from './sql/outbox.ts'
import { createSqlPostponements } from './sql/postponements.ts'
import { createSqlSettings } from './sql/settings.ts'
import { createEmbeddedState } from './state/embedded.ts'
import { createRedisState, type RedisState } from './state/redis.ts'
import type { StateStore } from './state/store.ts'
import { createPages } from './views/pages.ts'
import { createRenderer, type Renderer } from './views/renderer.ts'
import { createTexts, type Texts } from './views/texts.ts'

/** What is opened once and outlives every reload of the file. */
export interface Stores {
  clock: Clock
  log: Log
  secretKey: Buffer
  state: StateStore | RedisState
  database: Database
  accounts: AccountAdmin
  bindings: BindingStore
  postponements: PostponementStore
  keys: KeyStore
  settings: SettingStore
  answers: AnswerStore
  outbox: Outbox
  audit: AuditStore
  trail: AuditTrail
  metrics: Metrics
  hasher: Hasher
}

/** What follows from the file, made anew when it is read again. */
export interface Equipment {
  /** `mfa.enabled` is what holds, whoever said so. */
  config: Config
  answer: Holding
  texts: Texts
  renderer: Renderer
  mailer: Mailer | undefined
  notices: Notices
  registry: Registry
  recoveryCodes: RecoveryCodes
  bypassCodes: BypassCodes
  devices: RememberedDevices
}

/** What a gateway and every command work with. */
export interface Installation extends Stores, Equipment {
  close(): Promise<void>
}

/** What tests and trials exchange; the configuration cannot. */
export interface Parts {
  /** Takes the letters where a mail server is configured. */
  mailer?: Mailer
  clock?: Clock
  log?: Log
  hasher?: Hasher
  /** Laid around every store: latency for races. */
  slow?: <T extends object>(port: T) => T
}

/** Who has another address has not entered a code sent there. */
const BOUND_TO_ADDRESS = KINDS.filter(({ block }) => block?.needs === 'mail').map(({ type }) => type)
/** How long requests under way, and after them what applications are still to be told, may take after SIGTERM. */
const DRAIN = 10 * SECOND
/** How long a gateway that waits at least leaves between two looks whether somebody has answered. */
const LOOK = 200
/** What does not depend on it. */
const SERVED_ALWAYS = /^\/(livez|readyz|assets\/)/

/** Opens the stores of an installation; throws ConfigError for what cannot work and `Unavailable` for a store that is down. */
export function openInstallation(config: Config, parts: Parts = {}): Promise<Installation> {
  return atItsPlace(config, () => openParts(config, parts))
}

async function openParts(config: Config, parts: Parts): Promise<Installation> {
  const { clock = systemClock, log = silentLog, slow = (port) => port } = parts
  const { limits, stores } = config
  const secretKey = config.secretKey ?? readOrMakeKey(join(stores.dataDir, 'stepgate.key'))
  const hasher =
    parts.hasher ?? createHasher({ queue: limits.hashQueue, wait: limits.hashWait, concurrency: hashesAtOnce(config) })
  const database = await openDatabase(
    stores.accounts === undefined ? { file: join(stores.dataDir, 'stepgate.db') } : { url: stores.accounts },
    { clock, log },
  )
  const recordSealer = createSealer(deriveKey(secretKey, 'records'))
  const audit = slow(createSqlAudit(database))
  const outbox = slow(createSqlOutbox(database, { clock }))
  const metrics = createMetrics()
  metrics.watch(outbox, clock)
  const trail = createAuditTrail({}, { store: audit, clock, log })
  const opened: Stores = {
    clock,
    log,
    secretKey,
    state: slow(openState(config, { clock, log })),
    database,
    accounts: slow(createSqlAccounts(database, { hasher, clock, boundToAddress: BOUND_TO_ADDRESS })),
    bindings: slow(createSqlBindings(database, { sealer: recordSealer })),
    postponements: slow(createSqlPostponements(database)),
    keys: createSqlKeys(database, { sealer: recordSealer }),
    settings: createSqlSettings(database),
    outbox,
    answers: slow(createSqlAnswers(database, { sealer: recordSealer, clock })),
    audit,
    trail: metrics.counting(createSparingTrail(trail, { clock })),
    metrics,
    hasher,
  }
  const equipment = await equip(config, opened, parts.mailer)
  return {
    ...opened,
    ...equipment,
    async close() {
      equipment.mailer?.close()
      await trail.close()
      await Promise.all([opened.state.close(), database.close()])
    },
  }
}

/** `given`: instead of the mail server. */
export async function equip(file: Config, stores: Stores, given?: Mailer): Promise<Equipment> {
  const { secretKey, log, state, bindings, trail, outbox, clock } = stores
  const answer = await holdingAnswer(file.mfa.enabled, stores)
  const config = { ...file, mfa: { ...file.mfa, enabled: answer.enabled } }
  const texts = createTexts({ languages: config.languages })
  const renderer = createRenderer({ texts })
  const mailer = config.mail && (given ?? createSmtpMailer(config.mail, { renderer, texts, log }))
  const sealer = createSealer(deriveKey(secretKey, 'state'))
  const notices = createNotices({
    mail: mailer !== undefined,
    serviceName: config.branding.name,
    locale: config.languages[0] ?? 'en',
    accountUrl: `${config.issuer}/account`,
  })
  const notify: RememberedDevicesDependencies['notify'] = (kind, { id, email, locale }, request) => {
    const { ip, userAgent: browser } = request
    const owner = { id, email, locale: locale ?? request.locale }
    return outbox.add(notices.of(kind, owner, { time: clock.now(), ip, browser }))
  }
  return {
    config,
    answer,
    texts,
    renderer,
    mailer,
    notices,
    registry: createRegistry(authenticatorsOf(config, { mailer, secretKey })),
    recoveryCodes: createRecoveryCodes({ count: config.mfa.recoveryCodes }, { bindings, notices, clock }),
    bypassCodes: createBypassCodes({ bindings, notices, clock }),
    devices: createRememberedDevices({ grace: config.limits.deviceGrace }, { state, sealer, trail, clock, notify }),
  }
}

/** One per core, and with several workers one each: more would only make signing wait (X14). */
function hashesAtOnce({ listen }: Config): number {
  return listen.workers > 1 ? 1 : availableParallelism()
}

function logosOf(clients: Config['clients']): string[] {
  return [...new Set(clients.flatMap(({ logo }) => logo ?? []))]
}

function openState({ stores }: Config, dependencies: { clock: Clock; log: Log }): StateStore | RedisState {
  if (stores.state !== undefined) return createRedisState({ url: stores.state }, dependencies)
  return createEmbeddedState({ file: join(stores.dataDir, 'state.db') }, dependencies)
}

/** A kind that needs a mail server is not there where none is configured. */
function authenticatorsOf(config: Config, { mailer, secretKey }: { mailer: Mailer | undefined; secretKey: Buffer }) {
  const dependencies = {
    mailer,
    secretKey,
    serviceName: config.branding.name,
    limits: config.limits,
    recoveryCodes: config.mfa.recoveryCodes,
  }
  return KINDS.filter(({ block }) => block?.needs !== 'mail' || mailer !== undefined).map((kind) =>
    kind.create(config.mfa.blocks[kind.type], dependencies),
  )
}

export interface Gateway {
  handler: RequestListener
  server: Server
  /** By the configuration served now. */
  readonly sessions: Sessions
  /** Throws what node throws for an address that cannot be had. */
  listen(): Promise<{ port: number }>
  /**
   * Serves by this configuration from the next request on; sign-ins under way go on. Throws ConfigError and changes nothing when it
   * cannot work. Stores, secret key and addresses stay what they were at the start.
   */
  reload(config: Config): Promise<void>
  /** Takes up what a rotation published or the time has brought; done once a minute by itself. Never rejects. */
  refreshKeys(): Promise<void>
  /** Where set-up waits for whoever has the token (A7); undefined: it is done. */
  setup?: { url: string; token: string }
  /** Requests under way finish first. The installation stays open. */
  close(): Promise<void>
}

/** What serves under one configuration. */
interface Front {
  handler: RequestListener
  sessions: Sessions
  /** Which signing keys it was made with, in their order. */
  keys: string
  /** Waits for what relying parties are still to be told. */
  settled(): Promise<unknown>
}

/** The gateway over an open installation. Throws ConfigError for clients the engine refuses. */
export function createGateway(site: Installation): Promise<Gateway> {
  return atItsPlace(site.config, () => openGateway(site))
}

/** What is wrong with the file names the line also when only a part finds out. */
async function atItsPlace<R>({ file }: Config, work: () => Promise<R>): Promise<R> {
  try {
    return await work()
  } catch (error) {
    throw placed(error, file)
  }
}

async function openGateway(site: Installation): Promise<Gateway> {
  let equipment: Equipment = site
  const clockOptions = (): Config['clock'] => equipment.config.clock
  const time = createClockWatch(clockOptions, site)
  site.metrics.watchClock(() =>
    time.reading !== undefined && 'offset' in time.reading ? time.reading.offset : undefined,
  )
  const health = createHealth([
    { name: 'state', check: () => site.state.ping() },
    { name: 'accounts', check: () => site.database.ping() },
    { name: 'clock', check: async () => refuseWrongClock(time.reading, clockOptions()) },
  ])
  await keepFileAnswer(site.answer, site)
  const unanswered = site.answer.from === 'nobody'
  const tokens = unanswered ? await createSetupTokens(site) : undefined
  /** The file as it was read last. */
  let file = site.config
  let lastTurn: Promise<unknown> = Promise.resolve()
  let lookedAt = Number.NEGATIVE_INFINITY
  let nextLook: Promise<void> | undefined
  let front = await open(site)
  const retired = new Set<Promise<unknown>>()
  const { outbox, clock, log, trail } = site
  const runner = createOutboxRunner({}, { outbox, mailer: () => equipment.mailer, clock, log, trail })

  /** What cannot work is refused at the start, also where set-up waits. */
  async function open(next: Stores & Equipment): Promise<Front> {
    const whole = await frontOf(next, health)
    if (next.answer.from !== 'nobody' || tokens === undefined) return whole
    return { ...whole, handler: await waitingFor(next, { health, tokens, answered }) }
  }

  /** Who reads the file again and who only looks at keys or set-up take turns: none of them brings back what another one replaced. */
  function use(config?: Config): Promise<void> {
    const turn = lastTurn.then(() => exchange(config ?? file))
    lastTurn = turn.catch(() => undefined)
    return turn
  }

  async function exchange(config: Config): Promise<void> {
    const next = await equip(config, site)
    const after = await atItsPlace(config, () => open({ ...site, ...next }))
    await keepFileAnswer(next.answer, site)
    const told = front.settled().finally(() => retired.delete(told))
    retired.add(told)
    front = after
    const before = equipment
    equipment = next
    if (next.answer.from !== 'nobody') await tokens?.close()
    file = config
    runner.nudge()
    // Codes that are on their way out still go through the old pool.
    if (before !== site) setTimeout(() => before.mailer?.close(), DRAIN).unref()
  }

  /** Set-up is finished here. When that cannot be taken up now, the next request looks again. */
  function answered(): Promise<void> {
    return use().catch((error) => log.warn('what set-up has decided could not be taken up yet', { error }))
  }

  async function look(): Promise<void> {
    try {
      if ((await site.answers.get()) !== undefined) await use()
    } catch (error) {
      log.warn('whether set-up is finished could not be found out', { error })
    }
  }

  /**
   * Set-up may be finished by another process; the request that finds out is served already. Each request has a look that begins after
   * it came: nobody who was sent here from the last page is told that set-up is not finished. Those who come between two share the next.
   */
  function looked(): Promise<void> {
    nextLook ??= pause(Math.max(0, lookedAt + LOOK - performance.now())).then(() => {
      nextLook = undefined
      lookedAt = performance.now()
      return look()
    })
    return nextLook
  }

  const handler: RequestListener = (request, response) => {
    const { url = '' } = request
    // The pages of set-up themselves are right also a moment too late: the store has the last word, and the last page is the same.
    const late = performance.now() - lookedAt < LOOK && /^\/setup\b/.test(url)
    if (equipment.answer.from !== 'nobody' || late || SERVED_ALWAYS.test(url)) return front.handler(request, response)
    looked().then(() => front.handler(request, response))
  }
  async function refreshKeys(): Promise<void> {
    try {
      const kept = keptFor(equipment.config)
      await removeOldKeys(site, kept)
      if (orderOf(await loadSigningKeys(site, { kept })) !== front.keys) await use()
    } catch (error) {
      log.warn('signing keys could not be looked at', { error })
    }
  }
  const keyWatch = setInterval(() => void refreshKeys(), MINUTE).unref()

  const settled = () => Promise.all([front.settled(), ...retired])
  const served = serving({ site, handler, health, settled, runner, time })
  trail.record({ event: 'config.loaded', outcome: 'ok' })
  return {
    ...served,
    get sessions() {
      return front.sessions
    },
    ...(tokens !== undefined && { setup: { url: `${site.config.issuer}/setup`, token: tokens.token } }),
    async reload(config) {
      const { listen, stores, secretKey, metrics } = site.config
      const { host, port } = listen
      await use({ ...config, listen: { ...config.listen, host, port }, stores, secretKey, metrics })
      trail.record({ event: 'config.loaded', outcome: 'ok' })
    },
    refreshKeys,
    async close() {
      clearInterval(keyWatch)
      await tokens?.close()
      await served.close()
    },
  }
}

/** The engine under one configuration, with what it asks and what asks it: a gateway answers by it, a command ends sessions with it. */
async function engineOf(site: Stores & Equipment) {
  const { config, clock, log, state, accounts, trail, secretKey, registry, devices, texts, renderer } = site
  const { issuer, sessions: lives } = config
  const { policy, decider, acr } = await decisionsOf(site)
  const sealer = createSealer(deriveKey(secretKey, 'state'))
  const sessionProofs = createSessionProofs({ state, sealer })
  const pages = createPages({ branding: config.branding, clientLogos: logosOf(config.clients) }, { texts, renderer })
  const responder = createResponder({ texts, pages })
  const clients = [...config.clients, ...ownClients({ issuer, name: config.branding.name })]
  const parties = relyingPartiesOf(clients)
  const past = createPastRequests({ state, sealer: createSealer(deriveKey(secretKey, 'engine')), clock })
  const boundary = createBoundary({ responder, parties, past, clock, log })
  const admissions = createAdmissions({ decider, devices, clock })
  const signingKeys = await loadSigningKeys(site, { kept: keptFor(config), rsaBits: config.tokens.rsaBits })
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
      pages: createEnginePages({ responder, boundary }),
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

/** Everything a request meets under one configuration. */
async function frontOf(site: Stores & Equipment, health: RequestListener): Promise<Front> {
  const { config, clock, state, accounts, bindings, trail, secretKey, registry, devices } = site
  const { issuer, limits } = config
  const engine = await engineOf(site)
  const { provider, grants, sessions, sessionProofs, sealer, decider, admissions, acr, pages } = engine
  const { responder, parties, boundary } = engine
  const { notices, outbox } = site
  const pendingProofs = createPendingProofs({ state, sealer })

  const signIns = createSignIns({
    interactions: createInteractions({ provider, parties, sessions }),
    accounts,
    bindings,
    postponements: site.postponements,
    pendingProofs,
    sessionProofs,
    decider,
    rules: { guard: config.mfa.enrolment.guard, authenticators: registry.list(), lookup: decider.lookup },
    acr,
    clock,
    absolute: config.sessions.absolute,
  })
  const cookies = createAccountCookies({ issuer, key: deriveKey(secretKey, 'known-browser'), now: () => clock.now() })
  const throttle = createPasswordThrottle(
    {
      tries: limits.passwordTries,
      delay: limits.passwordDelay,
      delayMax: limits.passwordDelayMax,
      perAddress: limits.passwordFailuresPerAddress,
      window: limits.passwordWindow,
      accountsPerAddress: limits.accountsPerAddress,
    },
    { state, now: () => clock.now() },
  )
  const verifier = createVerifier(
    {
      perInteraction: limits.codesPerInteraction,
      perHour: limits.codesPerHour,
      perDay: limits.codesPerDay,
      inARow: limits.codeFailuresInARow,
      interaction: config.sessions.signIn,
    },
    { state, sealer, bindings, accounts, authenticators: registry, trail, notices, outbox, clock },
  )

  provider.use(boundary.middleware)
  provider.use(assetFiles(pages.assets))
  provider.use(
    addressLimits(
      {
        interactions: limits.interactionsPerAddress,
        clientFailures: limits.clientAuthPerMinute,
        sessionCookie: cookieNames(issuer).session,
      },
      { state, clock, trail },
    ),
  )
  provider.use(formPostToGet(['/auth', '/session/end'], routeOf))
  const factors = createFactors({ verifier, authenticators: registry, devices, cookies, clock })
  const resets = resetRequestsOf(site, engine.policy)
  const forgot = resets && FORGOT
  const stepPages = createStepPages({ forgot }, { factors, responder, accounts, clock })
  const progress = createProgress({ signIns, factors, cookies, pages: stepPages, responder, trail })
  const login = createLogin({ accounts, throttle, devices, cookies, signIns, trail, clock })
  const { postponements } = site
  const browsers = createBrowsers({ issuer, csrfKey: deriveKey(secretKey, 'csrf') }, { trail })
  const shared = { signIns, pages: stepPages, progress, responder }
  provider.use(
    interactionRoutes({
      ...shared,
      browsers,
      answers: createAnswers({ ...shared, login, factors, accounts, postponements, clock }),
      consent: createConsent({
        accounts,
        grantId: (session, id, account) => grants.idFor(session, id, account),
        scopeOf,
        trail,
      }),
      limits,
    }),
  )
  const visitors = createVisitors({
    sessions: createEngineSessions(provider, { issuer }),
    sessionProofs,
    accounts,
    bindings,
    decider,
    admissions,
    responder,
    clock,
  })
  const nameOf = (clientId: string): string => parties.get(clientId)?.name ?? clientId
  const own = ownAccountSections(site, { sealer, decider, policy: engine.policy, sessions, sessionProofs, throttle })
  provider.use(
    accountRoutes({
      sections: [
        factorsSection(
          { guard: config.mfa.enrolment.guard },
          {
            bindings,
            authenticators: registry,
            verifier,
            decider,
            acr,
            notices,
            state,
            clock,
            sessions,
            sessionProofs,
          },
        ),
        own.recovery,
        own.password,
        own.address,
        devicesSection({ devices }),
        sessionsSection({ sessions, nameOf }),
        activitySection({ audit: site.audit, trail, accounts, sessions, notices, clock, nameOf }),
        own.language,
      ],
      visitors,
      entrance: createEntrance({ issuer }, { visitors, responder }),
      browsers,
      responder,
      limits,
    }),
  )
  provider.use(
    passwordLinkRoutes(
      {
        pages: linkPagesOf(site, forgot),
        minLength: shortestPassword(engine.policy, config.passwords.minLength),
        serviceName: config.branding.name,
      },
      { accounts, hasher: site.hasher, sessions, notices, browsers, responder, log: site.log, clock, limits },
    ),
  )
  if (resets !== undefined) provider.use(forgotRoutes({ requests: resets, browsers, responder, limits }))
  provider.use(setupRoutes(setupOf(site, { responder, waiting: undefined })))
  provider.use(boundary.unknown)
  const handler = doorOf(site, { inside: provider.callback(), health })
  const settled = () => Promise.all([engine.backChannel.settled(), resets?.settled(), own.address.settled()])
  return { handler, sessions, keys: orderOf(engine.signingKeys), settled }
}

/** Undefined where nobody gets a new password by mail. */
function resetRequestsOf(site: Stores & Equipment, policy: Policy): ResetRequests | undefined {
  const { config, accounts, bindings, mailer, state, trail, log, clock } = site
  const { issuer, branding, passwords, limits } = config
  if (mailer === undefined || passwords.resetByMail === 'never') return undefined
  return createResetRequests(
    {
      issuer,
      serviceName: branding.name,
      mode: passwords.resetByMail,
      policy,
      mailed: new Set(BOUND_TO_ADDRESS),
      perAccount: limits.resetsPerHour,
      perNetwork: limits.resetsPerAddress,
    },
    {
      accounts,
      bindings,
      links: createPasswordLinks('reset', { state, accounts }),
      mailer,
      state,
      trail,
      log,
      clock,
    },
  )
}

/** `forgot`: where one asks for another link by mail, if anywhere. */
function linkPagesOf({ state, accounts }: Stores, forgot: string | undefined): LinkPage[] {
  const signIn = { href: '/account', key: 'sign-in' }
  const again = forgot === undefined ? undefined : { href: forgot, key: 'new-link' }
  return [
    {
      name: 'activate',
      links: createActivations({ state, accounts }),
      event: 'password.changed',
      reason: 'activation',
      notice: 'password-changed',
      dead: { detailKey: 'new-activation', link: signIn },
    },
    {
      name: 'reset',
      links: createPasswordLinks('reset', { state, accounts }),
      event: 'password.reset.done',
      reason: 'mail',
      notice: 'password-reset',
      dead: again === undefined ? { detailKey: 'new-reset', link: signIn } : { link: again },
    },
  ]
}

function doorOf(
  { config, log, trail }: Stores & Equipment,
  { inside, health }: { inside: RequestListener; health: RequestListener },
): RequestListener {
  const { issuer, listen } = config
  return createFrontDoor(
    { issuer, trustedProxies: listen.trustedProxies, headers: securityHeaders(issuer) },
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

/** What people change of their own account, beside its factors. */
function ownAccountSections(
  site: Stores & Equipment,
  parts: {
    sealer: Sealer
    decider: Decider
    policy: Policy
    sessions: Sessions
    sessionProofs: SessionProofRecords
    throttle: PasswordThrottle
  },
): Record<'recovery' | 'password' | 'language', Section> & { address: AddressSection } {
  const { config, accounts, state, hasher, mailer, notices, trail, log, clock, registry, recoveryCodes } = site
  const { passwords, branding, limits, languages } = config
  const { sealer, decider, policy, sessions, sessionProofs, throttle } = parts
  const serviceName = branding.name
  const codeKey = deriveKey(site.secretKey, 'address-code')
  const shared = { accounts, sessions, sessionProofs, notices, trail, clock }
  return {
    recovery: createRecoverySection(
      { count: config.mfa.recoveryCodes, guard: config.mfa.enrolment.guard },
      { codes: recoveryCodes, authenticators: registry, decider, state, sealer },
    ),
    password: createPasswordSection(
      { minLength: shortestPassword(policy, passwords.minLength), serviceName },
      { ...shared, hasher, throttle, sessionProofs },
    ),
    address: createAddressSection(
      { serviceName, mailsPerDay: limits.mailsPerDay, resends: limits.mailsPerInteraction },
      { ...shared, pending: createPendingAddresses({ state, sealer, codeKey, clock }), state, mailer, log },
    ),
    language: createLanguageSection({ languages }, { accounts }),
  }
}

/** Ends sessions of an installation whose gateways run elsewhere. `unreached`: clients that could not be told, once everything else is done. */
export async function openSessions(
  site: Stores & Equipment,
): Promise<{ sessions: Sessions; unreached(): Promise<string[]> }> {
  const { sessions, backChannel } = await engineOf(site)
  return { sessions, unreached: backChannel.settled }
}

interface WaitingParts {
  health: RequestListener
  tokens: SetupTokens
  answered(): Promise<void>
}

/** All there is before set-up is finished: its pages, and for everything else that it is not finished (A1). */
async function waitingFor(
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

function setupOf(
  { config, answers, trail, clock, state, secretKey }: Stores & Equipment,
  { responder, waiting }: Pick<SetupDependencies, 'responder' | 'waiting'>,
): SetupDependencies {
  const { issuer, limits } = config
  const sealer = createSealer(deriveKey(secretKey, 'state'))
  const progress = createSetupProgress({ state, sealer })
  const browsers = createBrowsers({ issuer, csrfKey: deriveKey(secretKey, 'csrf') }, { trail })
  return { waiting, progress, answers, browsers, responder, clock, limits, issuer }
}

/** Only where the file asks for it: a wrong clock refuses the codes of apps, a gateway that is out refuses everybody. */
function refuseWrongClock(reading: ClockReading | undefined, options: Config['clock']): void {
  if (options.check === 'fail' && isWrong(reading, options)) throw new Unavailable('clock')
}

interface Serving {
  site: Installation
  handler: RequestListener
  health: RequestListener
  settled(): Promise<unknown>
  runner: OutboxRunner
  time: ClockWatch
}

function serving({
  site,
  handler,
  health,
  settled,
  runner,
  time,
}: Serving): Omit<Gateway, 'reload' | 'refreshKeys' | 'sessions'> {
  const { config, metrics } = site
  const { headerBytes, connections } = config.limits
  const server = createHttpServer({ headerBytes, connections }, handler)
  const metricsServer = config.metrics && metrics.server(health)
  return {
    handler,
    server,
    async listen() {
      const { host, port } = config.listen
      await listening(server, { host, port })
      if (metricsServer !== undefined && config.metrics !== undefined) await listening(metricsServer, config.metrics)
      runner.start()
      time.start()
      const address = server.address()
      return { port: typeof address === 'object' && address !== null ? address.port : port }
    },
    async close() {
      time.stop()
      const stop = () => Promise.all([drain(server, DRAIN), metricsServer && drain(metricsServer, 0), runner.stop()])
      await shutDown({ stop, flush: () => site.trail.flush(), settled }, DRAIN)
    },
  }
}

/** What `methods: auto` decided, separated by commas. */
export const METHODS_SETTING = 'mfa.methods'

/** What decides, under one configuration: for the gateway, and for commands that explain it. Throws ConfigError for a rule nobody can meet. */
export function decisionsOf(site: Stores & Equipment): Promise<Decisions> {
  return atItsPlace(site.config, () => decide(site))
}

interface Decisions {
  policy: Policy
  decider: Decider
  acr: AcrNames
}

async function decide(site: Stores & Equipment): Promise<Decisions> {
  const { mfa } = site.config
  const { bindings, registry } = site
  const { clients } = site.config
  const methods = mfa.methods === 'auto' ? await decidedMethods(site) : mfa.methods
  const policy = policyFrom(site.config, methods, registry)
  const decider = createDecider({ policy, authenticators: registry.list(), bindings, clients })
  refuseUnreachable(site.config, policy, decider.lookup)
  return { policy, decider, acr: createAcrNames(site.config.acr) }
}

/** `methods: auto` is decided once, by whether the mail server answers, and never again (A8). */
async function decidedMethods({ settings, mailer, log }: Stores & Equipment): Promise<readonly string[]> {
  const stored = await settings.get(METHODS_SETTING)
  if (stored !== undefined) return stored.split(',')
  const answers =
    mailer !== undefined &&
    (await mailer.check().then(
      () => true,
      () => false,
    ))
  const kinds = KINDS.filter(({ block }) => block !== undefined && (block.needs === 'mail') === answers).map(
    ({ type }) => type,
  )
  const decided = await settings.addOnce(METHODS_SETTING, kinds.join(','))
  log.info('the second factor was decided', { methods: decided, mailServerAnswers: answers })
  return decided.split(',')
}
