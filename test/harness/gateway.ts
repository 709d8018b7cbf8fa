import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hasher } from '../../src/accounts/passwords.ts'
import { createGateway, type Gateway } from '../../src/app/gateway.ts'
import { type Installation, openInstallation } from '../../src/app/installation.ts'
import { undescribed } from '../../src/audit/events.ts'
import { configFrom } from '../../src/config/reading/load.ts'
import { type Log, silentLog } from '../../src/kernel/log.ts'
import { randomToken, sha256 } from '../../src/kernel/secrets.ts'
import type { Mailer } from '../../src/mail/mailer.ts'
import type { AuthenticatorKind } from '../../src/mfa/factors/authenticator.ts'
import { blocksOf, KINDS } from '../../src/mfa/factors/registry.ts'
import type { SigningKey } from '../../src/provider/key-store.ts'
import { createTestClock, type TestClock } from './clock.ts'
import { freePort } from './services.ts'
import { slow } from './slow.ts'
import type { Stores } from './stores.ts'

/** Of the first gateway of this process; the others get them too, for finding primes takes longer than most tests. */
let firstKeys: SigningKey[] | undefined

const keysAsOf = (createdAt: number): SigningKey[] => (firstKeys ?? []).map((key) => ({ ...key, createdAt }))

/** Cheap, and no weaker for what tests ask of it. Only the composition root can take it. */
export const testHasher: Hasher = {
  hash: async (password) => `test:${sha256(password.normalize('NFC'))}`,
  verify: async (hash, password) => hash === `test:${sha256(password.normalize('NFC'))}`,
  outdated: () => false,
}

export interface Person {
  id: string
  username: string
  email: string | undefined
  password: string
}

export interface RunningGateway {
  issuer: string
  installation: Installation
  sessions: Gateway['sessions']
  /** What a minute brings by itself. */
  refreshKeys: Gateway['refreshKeys']
  /** In the file's form. */
  config: Readonly<Record<string, unknown>>
  clock: TestClock
  /** What `serve` would print; throws when set-up does not wait. */
  readonly setupToken: string
  /** A new account with a name and a password of its own. */
  person(given?: { username?: string; email?: string | null; name?: string; groups?: string[] }): Promise<Person>
  /** A file that changed while it runs; `config` is laid over the one before. */
  reload(config: Record<string, unknown>): Promise<void>
  /** Ends it and opens it again on the same stores and port; `config` is laid over the first. */
  restart(config?: Record<string, unknown>): Promise<void>
  stop(): Promise<void>
}

export const CLIENT = {
  client_id: 'app',
  client_name: 'Example App',
  client_secret: 'Vt7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu',
  redirect_uris: ['http://127.0.0.1:9/callback'],
  post_logout_redirect_uris: ['http://127.0.0.1:9/'],
} as const

export interface GatewayOptions {
  stores: Stores
  /** Laid over a configuration in which only the issuer, the stores and one client are set; top-level keys replace. */
  config?: Record<string, unknown>
  /** Milliseconds of latency around every store. */
  latency?: number
  hasher?: Hasher
  /** Default: one that stands still. */
  clock?: TestClock
  /** In place of those of the product. */
  kinds?: readonly AuthenticatorKind[]
  /** In place of the one for the configured mail server. */
  mailer?: Mailer
  /** Default: nobody hears it. */
  log?: Log
  /** Default: http on a free loopback port. */
  issuer?: string
  port?: number
}

export async function startGateway(options: GatewayOptions): Promise<RunningGateway> {
  const { stores, kinds = KINDS } = options
  const blocks = blocksOf(kinds)
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-gateway-'))
  const port = options.port ?? (await freePort())
  const issuer = options.issuer ?? `http://127.0.0.1:${port}`
  const clock = options.clock ?? createTestClock()
  const accounts = await stores.postgres?.createDatabase()
  const base = {
    issuer,
    listen: { port },
    secretKey: randomBytes(32).toString('base64'),
    stores: {
      dataDir: folder,
      ...(stores.redis && { state: stores.redis.url }),
      ...(accounts !== undefined && { accounts }),
    },
    mfa: { enabled: true, methods: ['totp'] },
    clients: [CLIENT],
  }
  let config: Record<string, unknown> = { ...base, ...options.config }

  async function open() {
    const installation = await openInstallation(configFrom(config, { blocks }), {
      kinds,
      clock,
      log: options.log ?? silentLog,
      hasher: options.hasher ?? testHasher,
      ...(options.mailer !== undefined && { mailer: options.mailer }),
      ...(options.latency !== undefined && { slow: (store) => slow(store, options.latency) }),
    })
    try {
      const usualKeys = config.tokens === undefined
      if (usualKeys) await installation.keys.insertIfEmpty(keysAsOf(clock.now()))
      const gateway = await createGateway(installation)
      if (usualKeys) firstKeys ??= await installation.keys.list()
      await gateway.listen()
      return { installation, gateway }
    } catch (error) {
      // What stays open would keep the test process alive.
      await installation.close()
      throw error
    }
  }

  async function close() {
    running.gateway.server.closeAllConnections()
    await running.gateway.close()
    await running.installation.close()
  }

  let running = await open()
  return {
    issuer,
    clock,
    get installation() {
      return running.installation
    },
    get config() {
      return config
    },
    refreshKeys: () => running.gateway.refreshKeys(),
    get sessions() {
      return running.gateway.sessions
    },
    get setupToken() {
      const { setup } = running.gateway
      if (setup === undefined) throw new Error('set-up does not wait')
      return setup.token
    },
    async person(given = {}) {
      const username = given.username ?? `user-${randomToken(6).toLowerCase()}`
      const email = given.email === null ? undefined : (given.email ?? `${username.replace(/^[-_]+/, '')}@example.test`)
      const password = `pw-${randomToken(9)}`
      const passwordHash = await running.installation.hasher.hash(password)
      const { email: _, username: __, ...rest } = given
      const account = { ...rest, username, email, passwordHash }
      const { id } = await running.installation.accounts.insert(account, { event: 'user.created', outcome: 'ok' })
      return { id, username, email, password }
    },
    async reload(changes) {
      config = { ...config, ...changes }
      await running.gateway.reload(configFrom(config, { blocks }))
    },
    async restart(changes = {}) {
      await close()
      config = { ...config, ...changes }
      running = await open()
    },
    async stop() {
      const strange = await undescribedIn(running.installation)
      await close()
      rmSync(folder, { recursive: true, force: true })
      assert.deepEqual(strange, [], 'details of audit events that src/audit/events.ts does not describe')
    },
  }
}

/** What was written in a whole suite is what the reference page promises (LG-1). */
async function undescribedIn({ trail, audit }: Installation): Promise<string[]> {
  await trail.flush()
  // A store that a suite took away has nothing to say.
  return undescribed(await audit.list({}).catch(() => []))
}
