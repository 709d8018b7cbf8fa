import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { AccountAdmin } from '../accounts/account-store.ts'
import { createHasher, type Hasher } from '../accounts/passwords.ts'
import type { AuditStore, AuditTrail } from '../audit/audit.ts'
import { createSparingTrail } from '../audit/sparing.ts'
import { createAuditTrail } from '../audit/trail.ts'
import type { Config } from '../config/config.ts'
import type { SettingStore } from '../config/setting-store.ts'
import { type Clock, systemClock } from '../kernel/clock.ts'
import { readOrMakeKey } from '../kernel/key-file.ts'
import { type Log, silentLog } from '../kernel/log.ts'
import { createSealer, deriveKey } from '../kernel/secrets.ts'
import type { Mailer } from '../mail/mailer.ts'
import type { Outbox } from '../mail/outbox.ts'
import type { AuthenticatorKind } from '../mfa/factors/authenticator.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import { boundToAddress, KINDS } from '../mfa/factors/registry.ts'
import type { PostponementStore } from '../mfa/policy/postponement-store.ts'
import type { SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
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
import { admitted } from '../state/format.ts'
import type { RedisState } from '../state/redis.ts'
import type { StateStore } from '../state/store.ts'
import type { Metrics } from '../web/metrics.ts'

/** What is opened once and outlives every reading of the file. */
export interface Stores {
  clock: Clock
  log: Log
  secretKey: Buffer
  /** All kinds of second factor; which of them are used, the file says. */
  kinds: readonly AuthenticatorKind[]
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
  /** In place of one for the configured mail server; whoever gave it closes it. */
  givenMailer: Mailer | undefined
}

/** What tests and trials exchange; the configuration cannot. */
export interface Parts {
  /** Takes the mails where a mail server is configured. */
  mailer?: Mailer
  clock?: Clock
  log?: Log
  hasher?: Hasher
  /** In place of those of this product; the file has been read with their parts (`blocksOf`). */
  kinds?: readonly AuthenticatorKind[]
  /** Laid around every store: latency for races. */
  slow?: <T extends object>(port: T) => T
}

/**
 * Throws `ConfigError` for what cannot work and `UnavailableError` for a store that is down. `close` writes what is
 * still known first.
 */
export async function openStores(config: Config, parts: Parts): Promise<Stores & { close(): Promise<void> }> {
  const { clock = systemClock, log = silentLog, kinds = KINDS, slow = (port) => port } = parts
  const { limits, stores } = config
  const secretKey = config.secretKey ?? readOrMakeKey(join(stores.dataDir, 'stepgate.key'))
  const hasher =
    parts.hasher ?? createHasher({ queue: limits.hashQueue, wait: limits.hashWait, concurrency: hashesAtOnce(config) })
  const database = await openDatabase(
    stores.accounts === undefined ? { file: join(stores.dataDir, 'stepgate.db') } : { url: stores.accounts },
    { clock, log },
  )
  const state = await openState(config, { clock, log }).catch(async (error: unknown) => {
    // Its connections would keep the process alive.
    await database.close()
    throw error
  })
  const sealer = createSealer(deriveKey(secretKey, 'records'))
  const audit = slow(createSqlAudit(database))
  const outbox = slow(createSqlOutbox(database, { clock }))
  const metrics = config.metrics && (await import('../web/metrics.ts')).createMetrics()
  metrics?.watch(outbox, clock)
  const trail = createAuditTrail({}, { store: audit, clock, log })
  const sparing = createSparingTrail(trail, { clock })
  return {
    clock,
    log,
    secretKey,
    kinds,
    state: slow(state),
    database,
    accounts: slow(createSqlAccounts(database, { hasher, clock, boundToAddress: boundToAddress(kinds) })),
    bindings: slow(createSqlBindings(database, { sealer })),
    postponements: slow(createSqlPostponements(database)),
    keys: createSqlKeys(database, { sealer }),
    settings: createSqlSettings(database),
    setupDecisions: slow(createSqlSetupDecisions(database, { sealer, clock })),
    outbox,
    audit,
    trail: metrics?.counting(sparing) ?? sparing,
    metrics,
    hasher,
    givenMailer: parts.mailer,
    async close() {
      await trail.close()
      await Promise.all([state.close(), database.close()])
    },
  }
}

/** One per core, and with several workers one each: more would only make signing wait for a thread. */
function hashesAtOnce({ listen }: Config): number {
  return listen.workers > 1 ? 1 : availableParallelism()
}

/**
 * What talks to servers is loaded where there is one: most commands run on the embedded stores, and start sooner
 * without.
 */
async function openState(
  { stores }: Config,
  dependencies: { clock: Clock; log: Log },
): Promise<StateStore | RedisState> {
  if (stores.state !== undefined) {
    const { createRedisState } = await import('../state/redis.ts')
    return admitted(createRedisState({ url: stores.state }, dependencies), { key: 'stores.state' }, dependencies)
  }
  const embedded = createEmbeddedState({ file: join(stores.dataDir, 'state.db') }, dependencies)
  return admitted(embedded, { key: 'stores.dataDir' }, dependencies)
}
