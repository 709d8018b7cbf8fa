/**
 * Makes a fixture: an installation as a past commit leaves it, on embedded stores and on Redis with PostgreSQL, used
 * through its public interface alone. `node scripts/state-fixture.ts --commit e8e7e98` writes `test/fixtures/e8e7e98/`.
 */
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { stringify } from 'yaml'
import type { FixtureFacts } from '../test/harness/fixture-facts.ts'
import { freePort, startPostgres, startRedis } from '../test/harness/services.ts'
import { startSmtp } from '../test/harness/smtp.ts'
import { dumpPostgres, dumpRedis } from '../test/harness/state-dump.ts'
import { type Actor, createActor, keepBrowsers } from './state-fixture/actor.ts'
import { fixtureConfig, keyPair, newSecretKey } from './state-fixture/config.ts'
import { checkOut, createInstallation, type PastInstallation } from './state-fixture/past-program.ts'
import * as story from './state-fixture/story.ts'

const UNDER_WAY = ['uno-under-way', 'mejl-under-way']
const KEPT_BROWSERS = ['ada', 'alva', 'rune', 'rita', 'mona', 'gunnar', 'elsa', ...UNDER_WAY]
const SQLITE_FILES = ['stepgate.db', 'state.db']

interface Servers {
  /** Laid over the file. */
  config: Record<string, unknown>
  /** Copies what is kept. */
  copy(to: string, installation: PastInstallation): Promise<void>
  stop(): Promise<void>
}

function embedded(): Servers {
  return {
    config: {},
    async copy(to, { dataDir }) {
      for (const file of [...SQLITE_FILES, 'stepgate.key']) copyFileSync(join(dataDir, file), join(to, file))
      const open = SQLITE_FILES.filter((file) => existsSync(join(dataDir, `${file}-wal`)))
      if (open.length > 0) throw new Error(`not closed: ${open.join(', ')}`)
    },
    stop: async () => undefined,
  }
}

async function onServers(): Promise<Servers> {
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  const accounts = await postgres.createDatabase()
  return {
    config: { stores: { state: redis.url, accounts } },
    async copy(to) {
      const entries = await dumpRedis(redis.url)
      writeFileSync(join(to, 'redis.jsonl'), `${entries.map((entry) => JSON.stringify(entry)).join('\n')}\n`)
      writeFileSync(join(to, 'postgres.sql'), dumpPostgres(accounts))
    },
    async stop() {
      await Promise.all([redis.stop(), postgres.stop()])
    },
  }
}

async function make(kind: 'embedded' | 'servers', { bin, commit }: { bin: string; commit: string }): Promise<void> {
  const to = join('test', 'fixtures', commit, kind)
  rmSync(to, { recursive: true, force: true })
  mkdirSync(to, { recursive: true })
  const [port, smtp, key] = await Promise.all([freePort(), startSmtp(), keyPair()])
  const servers = kind === 'embedded' ? embedded() : await onServers()
  const config = {
    ...fixtureConfig(key.publicJwk),
    ...(kind === 'servers' && { secretKey: newSecretKey() }),
  }
  const installation = createInstallation(bin, {
    ...config,
    listen: { port, trustedProxies: ['127.0.0.1'] },
    mail: { smtp: smtp.url, from: 'Example <id@example.test>' },
    ...servers.config,
  })
  try {
    const actor = createActor({ installation, smtp, port })
    await live(actor, key.privateKey)
    const takenAt = Date.now()
    await servers.copy(to, installation)
    const facts: FixtureFacts = { commit, takenAt, ...actor.facts }
    writeFileSync(join(to, 'facts.json'), `${JSON.stringify(facts, undefined, 2)}\n`)
    // Addresses of servers are those of whoever opens it.
    writeFileSync(join(to, 'stepgate.yaml'), stringify(config))
  } finally {
    installation.remove()
    await Promise.all([servers.stop(), smtp.stop()])
  }
}

async function live(actor: Actor, key: CryptoKey): Promise<void> {
  const { installation } = actor
  await story.firstStart(actor)
  const gateway = await installation.serve()
  const { token } = JSON.parse(await gateway.line(/^\{"setup"/)) as { token: string }
  await story.setUp(actor, token)
  await story.invite(actor)
  await story.guess(actor)
  const delay = pause(story.FIRST_DELAY)
  await story.signIn(actor)
  await story.begin(actor)
  await delay
  await story.lastMoments(actor, key)
  await story.leaveLetter(actor)
  await story.readFacts(actor)
  await keepBrowsers(actor, KEPT_BROWSERS)
  await gateway.end('SIGTERM')
}

const { values } = parseArgs({ options: { commit: { type: 'string' }, only: { type: 'string' } } })
if (values.commit === undefined) throw new Error('usage: node scripts/state-fixture.ts --commit COMMIT')
const program = checkOut(values.commit)
try {
  for (const kind of ['embedded', 'servers'] as const) {
    if (values.only !== undefined && values.only !== kind) continue
    console.log(`${values.commit}: ${kind}`)
    await make(kind, { bin: program.bin, commit: values.commit })
  }
} finally {
  program.remove()
}
