import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { AccountAdmin } from '../accounts/account-store.ts'
import { createHasher, type Hasher } from '../accounts/passwords.ts'
import type { AuditStore, AuditTrail } from '../audit/audit.ts'
import { createSparingTrail } from '../audit/sparing.ts'
import { createAuditTrail } from '../audit/trail.ts'
import type { Config } from '../config/config.ts'
import { atItsPlace } from '../config/reading/place.ts'
import type { SettingStore } from '../config/setting-store.ts'
import { type Clock, systemClock } from '../kernel/clock.ts'
import { readOrMakeKey } from '../kernel/key-file.ts'
import { type Log, silentLog } from '../kernel/log.ts'
import { createSealer, deriveKey } from '../kernel/secrets.ts'
import type { Mailer } from '../mail/mailer.ts'
import { createNotices, type Notices } from '../mail/notices.ts'
import type { Outbox } from '../mail/outbox.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import type { BypassCodes, RecoveryCodes } from '../mfa/factors/recovery.ts'
import { createBypassCodes } from '../mfa/factors/recovery-code/bypass-codes.ts'
import { createRecoveryCodes } from '../mfa/factors/recovery-code/recovery-codes.ts'
import { createRegistry, KINDS, type Registry } from '../mfa/factors/registry.ts'
import type { PostponementStore } from '../mfa/policy/postponement-store.ts'
import { type HoldingDecision, holdingDecision } from '../mfa/policy/setup-decision.ts'
import type { SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
import {
  createRememberedDevices,
  type RememberedDevices,
  type RememberedDevicesDependencies,
} from '../mfa/session/remembered-device.ts'
import type { KeyStore } from '../provider/key-store.ts'
import { createSqlAccounts } from '../sql/accounts.ts'
import { createSqlAudit } from '../sql/audit.ts'
import { createSqlBindings } from '../sql/bindings.ts'
import { type Database, openDatabase } from '../sql/database.ts'
import { createSqlKeys } from '../sql/keys.ts'
import { createSqlOutbox } from '../sql/outbox.ts'
import { createSqlPostponements } from '../sql/postponements.ts'
import { createSqlSettings } from '../sql/settings.ts'
import { createSqlSetupDecisions } from '../sql/setup-decisions.ts'
import { createEmbeddedState } from '../state/embedded.ts'
import type { RedisState } from '../state/redis.ts'
import type { StateStore } from '../state/store.ts'
import { createRenderer, type Renderer } from '../views/renderer.ts'
import { createTexts, type Texts } from '../views/texts.ts'
import type { Metrics } from '../web/metrics.ts'

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
  setupDecisions: SetupDecisionStore
  outbox: Outbox
  audit: AuditStore
  trail: AuditTrail
  /** Where the file has a place for them. */
  metrics: Metrics | undefined
  hasher: Hasher
}

/** What follows from the file, made anew when it is read again. */
export interface Services {
  /** `mfa.enabled` is what holds, whoever said so. */
  config: Config
  setupDecision: HoldingDecision
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
export interface Installation extends Stores, Services {
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
export const BOUND_TO_ADDRESS = KINDS.filter(({ block }) => block?.needs === 'mail').map(({ type }) => type)

/** Opens the stores of an installation; throws ConfigError for what cannot work and `UnavailableError` for a store that is down. */
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
  const metrics = config.metrics && (await import('../web/metrics.ts')).createMetrics()
  metrics?.watch(outbox, clock)
  const trail = createAuditTrail({}, { store: audit, clock, log })
  const sparing = createSparingTrail(trail, { clock })
  const opened: Stores = {
    clock,
    log,
    secretKey,
    state: slow(await openState(config, { clock, log })),
    database,
    accounts: slow(createSqlAccounts(database, { hasher, clock, boundToAddress: BOUND_TO_ADDRESS })),
    bindings: slow(createSqlBindings(database, { sealer: recordSealer })),
    postponements: slow(createSqlPostponements(database)),
    keys: createSqlKeys(database, { sealer: recordSealer }),
    settings: createSqlSettings(database),
    outbox,
    setupDecisions: slow(createSqlSetupDecisions(database, { sealer: recordSealer, clock })),
    audit,
    trail: metrics?.counting(sparing) ?? sparing,
    metrics,
    hasher,
  }
  const equipment = await createServices(config, opened, parts.mailer)
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
export async function createServices(file: Config, stores: Stores, given?: Mailer): Promise<Services> {
  const { secretKey, log, state, bindings, trail, outbox, clock } = stores
  const setupDecision = await holdingDecision(file.mfa.enabled, stores)
  const config = { ...file, mfa: { ...file.mfa, enabled: setupDecision.enabled } }
  const texts = createTexts({ languages: config.languages })
  const renderer = createRenderer({ texts })
  const mailer = config.mail && (given ?? (await mailerOf(config.mail, { renderer, texts, log })))
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
    setupDecision,
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

/** What talks to servers is loaded where there is one: most commands run on the embedded stores, and start sooner without. */
async function openState(
  { stores }: Config,
  dependencies: { clock: Clock; log: Log },
): Promise<StateStore | RedisState> {
  if (stores.state !== undefined) {
    const { createRedisState } = await import('../state/redis.ts')
    return createRedisState({ url: stores.state }, dependencies)
  }
  return createEmbeddedState({ file: join(stores.dataDir, 'state.db') }, dependencies)
}

async function mailerOf(
  options: NonNullable<Config['mail']>,
  dependencies: { renderer: Renderer; texts: Texts; log: Log },
): Promise<Mailer> {
  const { createSmtpMailer } = await import('../mail/smtp-mailer.ts')
  return createSmtpMailer(options, dependencies)
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
