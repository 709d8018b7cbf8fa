import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { CookieJar } from 'tough-cookie'
import { parse } from 'yaml'
import { createHasher } from '../../src/accounts/passwords.ts'
import { createTestClock } from './clock.ts'
import type { FixtureFacts } from './fixture-facts.ts'
import { type RunningGateway, startGateway } from './gateway.ts'
import type { Browser } from './http-client.ts'
import { createRemoteParty, type RemoteClient, type RemoteParty } from './remote-party.ts'
import { freePort } from './services.ts'
import { type SmtpService, startSmtp } from './smtp.ts'
import { loadPostgres, loadRedis, type RedisEntry } from './state-dump.ts'
import { type Stores, startStores } from './stores.ts'
import { codeAt } from './totp-app.ts'

export type FixtureKind = 'embedded' | 'servers'

/** An installation of the past in stores of its own, not opened by any gateway yet. */
export interface LaidOut {
  facts: FixtureFacts
  /** In the file's form, with the addresses of these stores. */
  config: Record<string, unknown>
  stores: Stores
  remove(): Promise<void>
}

const STEP = 30_000

const folderOf = (commit: string, kind: FixtureKind): string =>
  join(import.meta.dirname, '..', 'fixtures', commit, kind)

/**
 * Lays a fixture of `scripts/state-fixture.ts` out. Redis measures by its own clock: what was left of each life when
 * the fixture was taken begins now. Everything else is as it was written, so whoever opens it has to live at
 * `facts.takenAt`.
 */
export async function layOut(commit: string, kind: FixtureKind): Promise<LaidOut> {
  const from = folderOf(commit, kind)
  const read = (name: string): string => readFileSync(join(from, name), 'utf8')
  const facts = JSON.parse(read('facts.json')) as FixtureFacts
  const config = parse(read('stepgate.yaml')) as Record<string, unknown>
  const dataDir = mkdtempSync(join(tmpdir(), 'stepgate-fixture-'))
  const stores = await startStores(kind)
  const remove = async (): Promise<void> => {
    await stores.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
  const { redis, postgres } = stores
  if (redis === undefined || postgres === undefined) {
    for (const name of ['stepgate.db', 'state.db', 'stepgate.key']) {
      copyFileSync(join(from, name), join(dataDir, name))
      chmodSync(join(dataDir, name), 0o600)
    }
    return { facts, stores, remove, config: { ...config, stores: { dataDir } } }
  }
  const accounts = await postgres.createDatabase()
  const entries = read('redis.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RedisEntry)
  await Promise.all([loadPostgres(accounts, read('postgres.sql')), loadRedis(redis.url, entries)])
  return { facts, stores, remove, config: { ...config, stores: { dataDir, state: redis.url, accounts } } }
}

/** The program of this checkout on an installation of the past, at the moment at which that was copied. */
export interface OpenedFixture {
  readonly facts: FixtureFacts
  readonly config: Readonly<Record<string, unknown>>
  readonly gateway: RunningGateway
  readonly stores: Stores
  readonly smtp: SmtpService
  readonly party: RemoteParty
  /** A client of the file, by its id. */
  client(id: string): RemoteClient
  /** The browser that had these cookies then. */
  browser(name: string): Browser
  /** A browser that nobody knows. */
  stranger(): Browser
  /** A code that the person's app shows, of a step that was not used yet. */
  appCode(name: string): string
  /** The code of the step that was used last. */
  usedAppCode(name: string): string
  /** Lets time pass for the gateway, the engine and the browsers; not for Redis. */
  advance(milliseconds: number): void
  stop(): Promise<void>
}

/**
 * The engine and the browsers of tests go by `Date`: it stands still at that moment until `stop`. One of them at a time
 * in a process.
 */
export async function openFixture(commit: string, kind: FixtureKind): Promise<OpenedFixture> {
  const laid = await layOut(commit, kind)
  const { facts, stores } = laid
  const [port, smtp] = await Promise.all([freePort(), startSmtp()])
  mock.timers.enable({ apis: ['Date'], now: facts.takenAt })
  const clock = createTestClock(facts.takenAt)
  const config = {
    secretKey: undefined,
    ...laid.config,
    listen: { port, trustedProxies: ['127.0.0.1'] },
    mail: { smtp: smtp.url, from: 'Example <id@example.test>' },
  }
  const issuer = `${laid.config.issuer}`
  const hasher = createHasher({ queue: 64, wait: 2000, concurrency: 2 })
  const gateway = await startGateway({ stores, clock, port, issuer, config, hasher })
  const party = createRemoteParty({ issuer, port })
  let strangers = 0

  const appOf = (name: string) => {
    const app = facts.people[name]?.app
    if (app === undefined) throw new Error(`${name} has no app`)
    return app
  }
  const advance = (milliseconds: number): void => {
    clock.advance(milliseconds)
    mock.timers.setTime(clock.now())
  }
  return {
    facts,
    config,
    gateway,
    stores,
    smtp,
    party,
    client: (id) => clientIn(config, id),
    browser(name) {
      const cookies = facts.browsers[name]
      if (cookies === undefined) throw new Error(`nobody kept the cookies of ${name}`)
      // At an address of its own, as any browser that was moved.
      return party.browser(newAddress(++strangers), CookieJar.deserializeSync(structuredClone(cookies)))
    },
    stranger: () => party.browser(newAddress(++strangers)),
    appCode(name) {
      const app = appOf(name)
      const now = Math.floor(clock.now() / STEP)
      app.lastStep = Math.max(app.lastStep + 1, now)
      if (app.lastStep > now + 1) advance((app.lastStep - now - 1) * STEP)
      return codeAt(app.secret, app.lastStep * STEP)
    },
    usedAppCode(name) {
      const { secret, lastStep } = appOf(name)
      return codeAt(secret, lastStep * STEP)
    },
    advance,
    async stop() {
      await gateway.stop()
      mock.timers.reset()
      await Promise.all([laid.remove(), smtp.stop()])
    },
  }
}

/** Of a network that nobody in a fixture comes from. */
const newAddress = (number: number): string => `198.18.${number >> 8}.${number & 255}`

function clientIn(config: Record<string, unknown>, id: string): RemoteClient {
  const clients = config.clients as { client_id: string; client_secret?: string; redirect_uris: string[] }[]
  const found = clients.find(({ client_id }) => client_id === id)
  if (found === undefined) throw new Error(`no client ${id}`)
  const { client_id, client_secret, redirect_uris } = found
  return { client_id, redirect_uri: redirect_uris[0] ?? '', ...(client_secret !== undefined && { client_secret }) }
}
