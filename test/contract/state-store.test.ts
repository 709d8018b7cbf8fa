import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import { HOUR, MINUTE, SECOND, systemClock } from '../../src/kernel/clock.ts'
import { ConfigError, UnavailableError } from '../../src/kernel/errors.ts'
import { type Log, silentLog } from '../../src/kernel/log.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import { isBusy } from '../../src/state/embedded/file.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import { createRecords } from '../../src/state/records.ts'
import { createRedisState, type RedisState } from '../../src/state/redis.ts'
import { keyOf, type StateStore } from '../../src/state/store.ts'
import { createTestClock, FIXED } from '../harness/clock.ts'
import { freePort, type RedisOptions, type RedisService, startRedis, startSentinel } from '../harness/services.ts'
import { slow } from '../harness/slow.ts'
import { stateStoreContract } from './state-store-contract.ts'

/** FA-1: an answer that the store cannot serve takes no longer than this. */
const QUICK = 2 * SECOND
const log: Log = silentLog
const fresh = () => keyOf('test', randomUUID())

async function eventually(work: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + 10 * SECOND
  for (;;) {
    try {
      await work()
      return
    } catch (error) {
      if (performance.now() > deadline) throw error
      await pause(20)
    }
  }
}

/** Every operation says so, soon, and none makes up an answer. */
async function assertUnavailable(store: StateStore): Promise<void> {
  const start = performance.now()
  const operations = [
    store.get(fresh()),
    store.set(fresh(), 'value', MINUTE),
    store.add(fresh(), 'value', MINUTE),
    store.take(fresh()),
    store.increment(fresh(), MINUTE),
    store.compareAndSet(fresh(), 'a', 'b', MINUTE),
    store.delete(fresh(), fresh()),
    store.indexAdd(fresh(), 'member', MINUTE),
    store.indexList(fresh()),
    store.indexRemove(fresh(), 'member'),
    store.ping(),
  ]
  for (const answer of await Promise.allSettled(operations)) {
    assert.equal(answer.status, 'rejected')
    assert.ok(answer.reason instanceof UnavailableError)
    assert.equal(answer.reason.part, 'redis')
  }
  assert.ok(performance.now() - start < QUICK, `took ${performance.now() - start} ms`)
}

stateStoreContract('redis', 'servers', async () => {
  const redis = await startRedis()
  const store = createRedisState({ url: redis.url }, { log })
  return { store: slow(store), advance: (ms) => pause(ms), end: () => store.close().then(redis.stop) }
})

async function redisFor(t: TestContext, options: RedisOptions = {}): Promise<RedisService> {
  const redis = await startRedis(options)
  t.after(redis.stop)
  return redis
}

function stateFor(t: TestContext, url: string, said: Log = log): RedisState {
  const store = createRedisState({ url }, { log: said })
  t.after(() => store.close())
  return store
}

/** A cluster of one node. */
async function startCluster(t?: TestContext): Promise<RedisService> {
  const busPort = `${await freePort()}`
  const redis = await startRedis({
    arguments: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-port', busPort],
  })
  t?.after(redis.stop)
  await redis.command('cluster', 'addslotsrange', '0', '16383')
  await eventually(async () => assert.match(await redis.command('cluster', 'info'), /cluster_state:ok/))
  return redis
}

// A node that enforces the rules of a cluster refuses a command or a script with keys of two slots.
stateStoreContract('redis cluster', 'servers', async () => {
  const redis = await startCluster()
  const store = createRedisState({ url: `redis+cluster://127.0.0.1:${redis.port}` }, { log })
  return { store: slow(store), advance: (ms) => pause(ms), end: () => store.close().then(redis.stop) }
})

stateStoreContract('embedded', 'embedded', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-state-'))
  const store = createEmbeddedState({ file: join(folder, 'state.db') }, { clock: systemClock, log })
  const end = () => store.close().then(() => rmSync(folder, { recursive: true }))
  return { store: slow(store), advance: (ms) => pause(ms), end }
})

stateStoreContract('embedded in memory', 'embedded', async () => {
  const store = createEmbeddedState({ file: ':memory:' }, { clock: systemClock, log })
  return { store, advance: (ms) => pause(ms), end: () => store.close() }
})

describe('redis out of order', () => {
  let redis: RedisService
  let store: RedisState
  before(async () => {
    redis = await startRedis()
    store = createRedisState({ url: redis.url }, { log })
    await store.ping()
  })
  after(async () => {
    await store.close()
    await redis.stop()
  })

  test('FA-1: a killed Redis is unavailable within two seconds, and serves again when it is back', async () => {
    const [key, counter, index] = [fresh(), fresh(), fresh()]
    assert.equal(await store.increment(counter, MINUTE), 1)
    await redis.kill()
    await assertUnavailable(store)
    await assertUnavailable(store)
    await redis.restart()
    await eventually(() => store.ping())
    // The new server has never seen the scripts.
    assert.equal(await store.increment(counter, MINUTE), 1)
    await store.set(key, 'a', MINUTE)
    assert.equal(await store.compareAndSet(key, 'a', 'b', MINUTE), true)
    await store.indexAdd(index, 'member', MINUTE)
    assert.deepEqual(await store.indexList(index), ['member'])
  })

  test('FA-1: forgotten scripts are sent again', async () => {
    const counter = fresh()
    assert.equal(await store.increment(counter, MINUTE), 1)
    await redis.command('script', 'flush')
    assert.equal(await store.increment(counter, MINUTE), 2)
  })

  test('FA-1: a Redis that hangs is unavailable within two seconds, and serves again when it goes on', async () => {
    process.kill(redis.pid, 'SIGSTOP')
    try {
      await assertUnavailable(store)
      await assertUnavailable(store)
    } finally {
      process.kill(redis.pid, 'SIGCONT')
    }
    await eventually(() => store.ping())
    assert.equal(await store.increment(fresh(), MINUTE), 1)
  })

  test('a command whose answer was lost is not sent a second time', async () => {
    const counter = fresh()
    process.kill(redis.pid, 'SIGSTOP')
    const lost = assert.rejects(store.increment(counter, MINUTE), UnavailableError)
    await redis.restart()
    await lost
    await eventually(() => store.ping())
    assert.equal(await store.increment(counter, MINUTE), 1)
  })

  test('FA-1: a connection that went dead without a word is given up for a new one', async (t) => {
    const held: Socket[] = []
    const wire = createServer((near) => {
      const far = createConnection(redis.port, '127.0.0.1')
      near.pipe(far).pipe(near)
      held.push(near, far)
      for (const socket of [near, far]) socket.on('error', () => {})
    }).listen(0, '127.0.0.1')
    await once(wire, 'listening')
    t.after(() => {
      wire.close()
      for (const socket of held) socket.destroy()
    })
    const behind = stateFor(t, `redis://127.0.0.1:${(wire.address() as AddressInfo).port}`)
    await behind.ping()
    for (const socket of held) socket.unpipe().pause()
    await assert.rejects(behind.ping(), UnavailableError)
    await eventually(() => behind.ping())
  })

  test('FA-1: a read-only Redis is unavailable for writing, until it may write again', async () => {
    await redis.command('replicaof', '127.0.0.1', `${await freePort()}`)
    await assert.rejects(store.increment(fresh(), MINUTE), UnavailableError)
    await assert.rejects(store.add(fresh(), 'value', MINUTE), UnavailableError)
    await redis.command('replicaof', 'no', 'one')
    await eventually(() => store.add(fresh(), 'value', MINUTE))
  })

  test('FA-1: a full Redis is unavailable for writing, until there is room', async () => {
    await redis.command('config', 'set', 'maxmemory', '1')
    await assert.rejects(store.set(fresh(), 'value', MINUTE), UnavailableError)
    await assert.rejects(store.increment(fresh(), MINUTE), UnavailableError)
    await redis.command('config', 'set', 'maxmemory', '0')
    await store.set(fresh(), 'value', MINUTE)
  })

  test('FA-2: the eviction policy can be asked for', async () => {
    assert.equal(await store.evictionPolicy(), 'noeviction')
    await redis.command('config', 'set', 'maxmemory-policy', 'allkeys-lru')
    assert.equal(await store.evictionPolicy(), 'allkeys-lru')
  })

  test('FA-1: a Redis that comes after us is unavailable first, then used', async (t) => {
    const late = await redisFor(t)
    await late.kill()
    const early = stateFor(t, late.url)
    await assertUnavailable(early)
    await late.restart()
    await eventually(() => early.ping())
  })

  test('LG-2: neither log nor error holds the password or the value of a command', async (t) => {
    const locked = await redisFor(t, { arguments: ['--requirepass', 'right'] })
    const said: unknown[] = []
    const say = (...given: unknown[]) => void said.push(given)
    const listening = { debug: say, info: say, warn: say, error: say }
    const stranger = stateFor(t, locked.url.replace('//', '//:wrong-secret@'), listening)
    const refusal = await stranger.set(fresh(), 'value-secret', MINUTE).catch((error: unknown) => error)
    assert.ok(refusal instanceof UnavailableError)
    const friend = stateFor(t, locked.url.replace('//', '//:right@'), listening)
    await locked.command('-a', 'right', 'config', 'set', 'maxmemory', '1')
    const full = await friend.set(fresh(), 'value-secret', MINUTE).catch((error: unknown) => error)
    assert.ok(full instanceof UnavailableError)
    assert.match(inspect(full), /OOM/)
    assert.ok(said.length > 0)
    assert.doesNotMatch(inspect([said, refusal, full], { depth: 20, showHidden: true }), /-secret/)
  })
})

describe('addresses of redis', () => {
  test('what is not an address is refused without being repeated', () => {
    const wrong = [
      '',
      'http://h',
      'redis://',
      'redis://h:port',
      'redis://h/zero',
      'redis://a,b',
      'redis+sentinel://h:1',
    ]
    for (const address of [...wrong, 'redis://:p%zz@h', 'redis+cluster://h/1', 'redis://u:hidden@h/0/1']) {
      const refused = (error: unknown) => error instanceof ConfigError && !/hidden|p%zz/.test(error.message)
      assert.throws(() => createRedisState({ url: address }, { log }), refused, address)
    }
  })

  test('user, password and database of the address are used', async (t) => {
    const redis = await redisFor(t)
    await redis.command('acl', 'setuser', 'gate', 'on', '>p@ss/word', '~sg:*', '+@all')
    await redis.command('acl', 'setuser', 'default', 'off')
    const url = `redis://gate:${encodeURIComponent('p@ss/word')}@127.0.0.1:${redis.port}/3`
    const store = stateFor(t, url)
    await store.set(fresh(), 'value', MINUTE)
    const login = ['--user', 'gate', '--pass', 'p@ss/word', '--no-auth-warning']
    assert.equal(await redis.command(...login, '-n', '3', 'dbsize'), '1')
  })
})

describe('redis cluster out of order', () => {
  test('FA-1: a killed node is unavailable within two seconds, and serves again when it is back', async (t) => {
    const redis = await startCluster(t)
    const store = stateFor(t, `redis+cluster://127.0.0.1:${redis.port}`)
    assert.equal(await store.increment(fresh(), MINUTE), 1)
    assert.equal(await store.evictionPolicy(), 'noeviction')
    await redis.kill()
    await assertUnavailable(store)
    await assertUnavailable(store)
    await redis.restart()
    await eventually(() => store.increment(fresh(), MINUTE))
    process.kill(redis.pid, 'SIGSTOP')
    await assertUnavailable(store)
    await assertUnavailable(store)
    process.kill(redis.pid, 'SIGCONT')
    await eventually(() => store.increment(fresh(), MINUTE))
  })
})

describe('redis behind a sentinel', () => {
  test('FA-1: the sentinel names the master, and its outage ends without a restart', async (t) => {
    const master = await redisFor(t)
    const sentinel = await startSentinel(master)
    t.after(sentinel.stop)
    const store = stateFor(t, sentinel.url)
    const key = fresh()
    await store.set(key, 'value', MINUTE)
    assert.equal(await master.command('get', `sg:${key}`), 'value')
    await master.kill()
    await assertUnavailable(store)
    await master.restart()
    await eventually(() => store.ping())
    assert.equal(await store.increment(fresh(), MINUTE), 1)
  })
})

describe('redis with TLS', () => {
  test('KM-9: rediss never talks to a server without TLS', async (t) => {
    const redis = await redisFor(t)
    const store = stateFor(t, redis.url.replace('redis:', 'rediss:'))
    await assertUnavailable(store)
  })

  test('KM-9: a certificate that nobody vouches for is refused', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'stepgate-tls-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
    const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1']
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    execFileSync('openssl', [...request, ...subject, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
    const tlsPort = `${await freePort()}`
    const files = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate]
    await redisFor(t, { arguments: ['--tls-port', tlsPort, '--tls-auth-clients', 'no', ...files] })
    const url = `rediss://localhost:${tlsPort}`
    const refusal = await runPing(url, {})
    assert.match(refusal, /self-signed/)
    assert.equal(await runPing(url, { NODE_EXTRA_CA_CERTS: certificate }), 'pong')
  })
})

/** What a process with more environment gets: `pong`, or why not. */
async function runPing(url: string, environment: Record<string, string>): Promise<string> {
  const program = `
    const { createRedisState } = await import(process.argv[1])
    const log = { debug() {}, info() {}, warn() {}, error() {} }
    const store = createRedisState({ url: process.argv[2] }, { log })
    console.log(await store.ping().then(() => 'pong', (error) => error.cause.message))
    await store.close()`
  return runProgram(program, [new URL('../../src/state/redis.ts', import.meta.url).href, url], environment)
}

/** Runs a module in a process of its own; answers what it prints. */
async function runProgram(program: string, given: string[], environment: Record<string, string> = {}): Promise<string> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, ...given], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...environment },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const [code] = (await once(child, 'close')) as [number]
  assert.equal(code, 0)
  return output.trimEnd()
}

describe('records in redis', () => {
  test('KM-8: a dump of Redis shows neither value nor id', async (t) => {
    const redis = await redisFor(t)
    const state = stateFor(t, redis.url)
    const sealer = createSealer(deriveKey(Buffer.alloc(32, 1), 'state'))
    const records = createRecords<{ account: string }>('pending', { state, sealer })
    await records.set('bearer-id', { account: 'alice@example.com' }, MINUTE)
    await records.add('second-id', { account: 'bob@example.com' }, MINUTE)
    assert.deepEqual((await records.get('bearer-id'))?.value, { account: 'alice@example.com' })
    const keys = (await redis.command('keys', '*')).split('\n')
    const values = await Promise.all(keys.map((key) => redis.command('get', key)))
    assert.equal(keys.length, 2)
    assert.ok(values.every((value) => value.length > 0))
    assert.doesNotMatch([...keys, ...values].join('\n'), /-id|alice|bob|example|account/)
    const ends = await Promise.all(keys.map((key) => redis.command('pttl', key)))
    assert.ok(ends.every((left) => Number(left) > 0 && Number(left) <= MINUTE))
  })
})

describe('embedded state in a file', () => {
  let folder: string
  let file: string
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepgate-state-'))
  })
  after(() => rmSync(folder, { recursive: true }))
  const newFile = () => {
    file = join(folder, randomUUID(), 'state.db')
    return file
  }

  test('KM-8: only the owner may read it and the files beside it', async () => {
    const store = createEmbeddedState({ file: newFile() }, { clock: systemClock, log })
    await store.set(fresh(), 'value', MINUTE)
    const names = readdirSync(join(file, '..'))
    assert.ok(names.includes('state.db-wal'))
    for (const name of names) assert.equal(statSync(join(file, '..', name)).mode & 0o777, 0o600, name)
    await store.close()
  })

  test('RL-6: a restart loses no value, count or index', async () => {
    const [value, counter, index] = [fresh(), fresh(), fresh()]
    const clock = createTestClock(FIXED)
    const first = createEmbeddedState({ file: newFile() }, { clock, log })
    await first.set(value, 'value', MINUTE)
    await first.increment(counter, MINUTE)
    await first.indexAdd(index, 'member', MINUTE)
    await first.close()
    const second = createEmbeddedState({ file }, { clock, log })
    assert.equal(await second.get(value), 'value')
    assert.equal(await second.increment(counter, MINUTE), 2)
    assert.deepEqual(await second.indexList(index), ['member'])
    await second.close()
  })

  test('FA-8: a clock set back revives nothing, not even over a restart, and what comes later still ends', async () => {
    const [old, next] = [fresh(), fresh()]
    const clock = createTestClock(FIXED)
    const first = createEmbeddedState({ file: newFile() }, { clock, log })
    await first.set(old, 'used', MINUTE)
    clock.advance(2 * MINUTE)
    assert.equal(await first.get(old), undefined)
    clock.advance(-2 * MINUTE)
    assert.equal(await first.get(old), undefined)
    await first.close()
    clock.advance(-MINUTE)
    const second = createEmbeddedState({ file }, { clock, log })
    assert.equal(await second.get(old), undefined)
    await second.set(next, 'new', MINUTE)
    clock.advance(MINUTE - 1)
    assert.equal(await second.get(next), 'new')
    clock.advance(1)
    assert.equal(await second.get(next), undefined)
    await second.close()
  })

  test('DO-5: what is over is removed from the file', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const clock = createTestClock(FIXED)
    const store = createEmbeddedState({ file: newFile() }, { clock, log })
    const reader = new DatabaseSync(file, { readOnly: true })
    const rows = () =>
      reader.prepare('select (select count(*) from entries) + (select count(*) from members) n').get()?.n
    for (let row = 0; row < 600; row++) await store.set(fresh(), 'value', MINUTE)
    await store.indexAdd(fresh(), 'member', MINUTE)
    await store.set(fresh(), 'stays', HOUR)
    clock.advance(2 * MINUTE)
    t.mock.timers.tick(30 * SECOND)
    assert.equal(rows(), 101)
    t.mock.timers.tick(SECOND)
    assert.equal(rows(), 1)
    reader.close()
    await store.close()
  })

  test('a lock of another process is waited for, and a long one is unavailable within two seconds', async () => {
    const store = createEmbeddedState({ file: newFile() }, { clock: systemClock, log })
    const other = new DatabaseSync(file)
    other.exec('begin immediate')
    const start = performance.now()
    await assert.rejects(store.increment(fresh(), MINUTE), (error: unknown) => {
      return error instanceof UnavailableError && error.part === 'sqlite'
    })
    assert.ok(performance.now() - start < QUICK)
    const waiting = store.increment(fresh(), MINUTE)
    // The wait left the event loop free, or this would never be reached in time.
    other.exec('commit')
    assert.equal(await waiting, 1)
    other.close()
    await store.close()
  })

  test('a start waits for another process that has the new file for itself', async () => {
    const program = `
      const { parentPort, workerData } = require('node:worker_threads')
      const { DatabaseSync } = require('node:sqlite')
      const other = new DatabaseSync(workerData)
      other.exec('begin exclusive')
      parentPort.postMessage('held')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
      other.exec('commit')
      other.close()`
    mkdirSync(dirname(newFile()))
    const other = new Worker(program, { eval: true, workerData: file })
    await once(other, 'message')
    const store = createEmbeddedState({ file }, { clock: systemClock, log })
    assert.equal(await store.increment(fresh(), MINUTE), 1)
    await store.close()
    await other.terminate()
  })

  test('what is busy or locked, of whatever kind, is tried again, and nothing else is', () => {
    const busy = (errcode: number): boolean => isBusy(Object.assign(new Error('from SQLite'), { errcode }))
    // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_BUSY_RECOVERY, SQLITE_LOCKED_SHAREDCACHE.
    assert.deepEqual([5, 6, 261, 262].map(busy), [true, true, true, true])
    // SQLITE_ERROR, SQLITE_READONLY, SQLITE_FULL.
    assert.deepEqual([1, 8, 13].map(busy), [false, false, false])
    assert.equal(isBusy(new Error('from somebody else')), false)
  })

  test('two processes that start at once on one new file lose no count and share every add out', async () => {
    const counter = fresh()
    const rounds = 300
    const program = `
      const { createEmbeddedState } = await import(process.argv[1])
      const log = { debug() {}, info() {}, warn() {}, error() {} }
      const store = createEmbeddedState({ file: process.argv[2] }, { clock: { now: Date.now }, log })
      const numbers = []
      let added = 0
      for (let round = 0; round < ${rounds}; round++) {
        numbers.push(await store.increment(process.argv[3], 600000))
        if (await store.add('test:' + round, 'value', 600000)) added++
        if (await store.take('test:' + round + ':shared') !== undefined) throw new Error('nobody set it')
      }
      await store.close()
      console.log(JSON.stringify({ numbers, added }))`
    const module = new URL('../../src/state/embedded.ts', import.meta.url).href
    const given = [module, newFile(), counter]
    const run = async (): Promise<{ numbers: number[]; added: number }> => JSON.parse(await runProgram(program, given))
    const results = await Promise.all([run(), run()])
    const numbers = results.flatMap((result) => result.numbers).sort((a, b) => a - b)
    assert.deepEqual(
      numbers,
      Array.from({ length: 2 * rounds }, (_, index) => index + 1),
    )
    assert.equal(
      results.reduce((sum, result) => sum + result.added, 0),
      rounds,
    )
  })
})
