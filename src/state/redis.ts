import { once } from 'node:events'
import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { ConfigError, UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { randomToken } from '../kernel/secrets.ts'
import type { StateKey, StateStore } from './store.ts'
import { wholeMilliseconds } from './ttl.ts'

/** Milliseconds one command may take. */
const COMMAND_TIMEOUT = 500
/** Milliseconds a whole operation may take, redirections of a cluster included; the first one also waits for the connection. */
const OPERATION_TIMEOUT = 1000
/** Milliseconds between two attempts to connect grow to this. */
const RECONNECT_CAP = 1000

// Each script touches KEYS[1] alone: in a cluster two keys live on two nodes.
const SCRIPTS = {
  // PEXPIRE belongs to the first INCR: a crash between the two would leave a counter that never ends.
  stepgateIncrement: `
    local count = redis.call('INCR', KEYS[1])
    if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
    return count`,
  // `s` names the window, so that a place given back late does not widen the next one.
  stepgateReserve: `
    local held = redis.call('HMGET', KEYS[1], 'n', 's')
    local count = tonumber(held[1]) or 0
    if count >= tonumber(ARGV[1]) then return { 0, redis.call('PTTL', KEYS[1]), '' } end
    if not held[2] then
      redis.call('HSET', KEYS[1], 'n', 1, 's', ARGV[3])
      redis.call('PEXPIRE', KEYS[1], ARGV[2])
      return { 1, ARGV[1] - 1, ARGV[3] }
    end
    return { 1, ARGV[1] - redis.call('HINCRBY', KEYS[1], 'n', 1), held[2] }`,
  stepgateRelease: `
    local held = redis.call('HMGET', KEYS[1], 'n', 's')
    if held[2] ~= ARGV[1] or tonumber(held[1]) < 1 then return 0 end
    redis.call('HINCRBY', KEYS[1], 'n', -1)
    return 1`,
  stepgateWaitFor: `
    local count = tonumber(redis.call('HGET', KEYS[1], 'n')) or 0
    if count < tonumber(ARGV[1]) then return -1 end
    return redis.call('PTTL', KEYS[1])`,
  stepgateReplace: `
    if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
    return 1`,
  // The server's clock, so that gateways with different clocks agree on what is over.
  stepgateIndexAdd: `
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    local ttl = tonumber(ARGV[2])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
    redis.call('ZADD', KEYS[1], 'GT', string.format('%.0f', now + ttl), ARGV[1])
    if redis.call('PTTL', KEYS[1]) < ttl then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
    return 1`,
  stepgateIndexList: `
    local clock = redis.call('TIME')
    local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
    return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')`,
}

interface Scripts {
  stepgateIncrement(key: string, window: number): Promise<number>
  stepgateReserve(key: string, places: number, window: number, name: string): Promise<[number, number, string]>
  stepgateRelease(key: string, name: string): Promise<number>
  stepgateWaitFor(key: string, places: number): Promise<number>
  stepgateReplace(key: string, expected: string, value: string, ttl: number): Promise<number>
  stepgateIndexAdd(key: string, member: string, ttl: number): Promise<number>
  stepgateIndexList(key: string): Promise<string[]>
}

export interface RedisState extends StateStore {
  /** `maxmemory-policy` of the server; anything but `noeviction` can revive used codes and counters (FA-2). */
  evictionPolicy(): Promise<string>
}

/**
 * `url`: `redis://`, `rediss://` (TLS), `redis+sentinel://host,host/master-name/database`, `redis+cluster://host,host`, each with
 * `user:password@` in front of the hosts; `prefix` is put before every key, `sg:` by default. Throws ConfigError for another
 * address, and does not wait for the connection: operations do, once, and answer `UnavailableError` when it does not come.
 */
export function createRedisState(options: { url: string; prefix?: string }, dependencies: { log: Log }): RedisState {
  const { prefix = 'sg:' } = options
  const { log } = dependencies
  const client = connect(parseRedisUrl(options.url))
  let served = false
  let down = false
  let closed = false
  let opening: Promise<unknown> | undefined

  client.on('ready', () => {
    if (down) log.info('redis answers again')
    served = true
    down = false
  })
  client.on('error', (error: Error) => {
    // One line for an outage, not one for each attempt to reconnect.
    if (!down) log.warn('redis is not reachable', { reason: error.message })
    down = true
  })

  async function connected(): Promise<void> {
    if (client.status === 'ready') return
    if (closed) throw new Error('the store is closed')
    // After the first connection an outage is an answer; before it, the process is just starting.
    if (served) throw new Error('the connection is lost')
    opening ??= once(client, 'ready', { signal: AbortSignal.timeout(OPERATION_TIMEOUT) }).finally(() => {
      opening = undefined
    })
    await opening
  }

  async function run<R>(operation: () => Promise<R>): Promise<R> {
    try {
      if (client.status !== 'ready') await connected()
      return await withinTime(operation())
    } catch (error) {
      throw new UnavailableError('redis', { cause: withoutArguments(error) })
    }
  }

  const at = (key: StateKey): string => `${prefix}${key}`
  return {
    get: async (key) => (await run(() => client.get(at(key)))) ?? undefined,
    async set(key, value, ttl) {
      const milliseconds = wholeMilliseconds(ttl)
      await run(() => client.set(at(key), value, 'PX', milliseconds))
    },
    async add(key, value, ttl) {
      const milliseconds = wholeMilliseconds(ttl)
      return (await run(() => client.set(at(key), value, 'PX', milliseconds, 'NX'))) === 'OK'
    },
    take: async (key) => (await run(() => client.getdel(at(key)))) ?? undefined,
    async increment(key, window) {
      const milliseconds = wholeMilliseconds(window)
      return await run(() => client.stepgateIncrement(at(key), milliseconds))
    },
    async reserve(key, places, window) {
      const milliseconds = wholeMilliseconds(window)
      const name = randomToken(9)
      const [granted, number, held] = await run(() => client.stepgateReserve(at(key), places, milliseconds, name))
      return granted === 1
        ? { granted: true, left: Number(number), window: held }
        : { granted: false, wait: Math.max(1, Number(number)) }
    },
    async release(key, reservation) {
      await run(() => client.stepgateRelease(at(key), reservation.window))
    },
    async waitFor(key, places) {
      const wait = await run(() => client.stepgateWaitFor(at(key), places))
      return wait < 0 ? undefined : wait
    },
    async compareAndSet(key, expected, value, ttl) {
      const milliseconds = wholeMilliseconds(ttl)
      return (await run(() => client.stepgateReplace(at(key), expected, value, milliseconds))) === 1
    },
    async delete(...keys) {
      await run(() => Promise.all(keys.map((key) => client.unlink(at(key)))))
    },
    async indexAdd(index, member, ttl) {
      const milliseconds = wholeMilliseconds(ttl)
      await run(() => client.stepgateIndexAdd(at(index), member, milliseconds))
    },
    indexList: (index) => run(() => client.stepgateIndexList(at(index))),
    async indexRemove(index, ...members) {
      if (members.length > 0) await run(() => client.zrem(at(index), ...members))
    },
    async ping() {
      await run(() => client.ping())
    },
    async close() {
      if (closed) return
      closed = true
      if (client.status === 'ready') await client.quit().catch(() => client.disconnect())
      else client.disconnect()
    },
    async evictionPolicy() {
      const policies = await run(() => {
        const nodes = client instanceof Cluster ? client.nodes('master') : [client]
        // INFO and not CONFIG GET, which hosted servers forbid.
        return Promise.all(nodes.map(async (node) => policyIn(await node.info('memory'))))
      })
      return policies.find((policy) => policy !== 'noeviction') ?? 'noeviction'
    },
  }
}

function policyIn(info: string): string {
  return /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown'
}

function withinTime<R>(work: Promise<R>): Promise<R> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), OPERATION_TIMEOUT)
    work.then(
      (answer) => {
        clearTimeout(timer)
        resolve(answer)
      },
      (error: unknown) => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}

/** The client's errors carry the command with its arguments, the AUTH command too: only their texts may travel on. */
function withoutArguments(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error))
  const last = (error as { lastNodeError?: Error }).lastNodeError
  return new Error(last === undefined ? error.message : `${error.message} ${last.message}`)
}

interface Address {
  kind: 'single' | 'sentinel' | 'cluster'
  nodes: { host: string; port: number }[]
  /** Of the group that the sentinels watch. */
  group: string
  database: number
  credentials: { username?: string; password?: string }
  /** TLS with the certificate checked. */
  tls: { tls?: Record<string, never> }
}

const ADDRESS = /^(redis|rediss)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?#@]+)((?:\/[^/?#]*)*)$/
const NODE = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/

function parseRedisUrl(url: string): Address {
  const [, scheme, topology, userinfo, hosts = '', path = ''] = ADDRESS.exec(url) ?? refuse()
  const kind = topology === 'sentinel' || topology === 'cluster' ? topology : 'single'
  const nodes = hosts.split(',').map((text) => {
    const [, host = '', port] = NODE.exec(text) ?? refuse()
    return { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? (kind === 'sentinel' ? 26379 : 6379)) }
  })
  if (kind === 'single' && nodes.length > 1) refuse()
  const segments = path.split('/').filter((segment) => segment !== '')
  const group = kind === 'sentinel' ? decodeURIComponent(segments.shift() ?? refuse()) : ''
  const database = segments.shift() ?? '0'
  if (!/^\d{1,4}$/.test(database) || segments.length > 0 || (kind === 'cluster' && database !== '0')) refuse()
  const tls = scheme === 'rediss' ? { tls: {} } : {}
  return { kind, nodes, group, database: Number(database), credentials: credentialsIn(userinfo), tls }
}

function credentialsIn(userinfo: string | undefined): Address['credentials'] {
  if (userinfo === undefined || userinfo === '') return {}
  const [username = '', ...rest] = userinfo.split(':')
  try {
    const password = decodeURIComponent(rest.join(':'))
    return { ...(username === '' ? {} : { username: decodeURIComponent(username) }), password }
  } catch {
    return refuse()
  }
}

function refuse(): never {
  // Without the address: it may hold a password.
  throw new ConfigError('stores.state', 'is not an address of Redis')
}

function connect({ kind, nodes, group, database, credentials, tls }: Address): (Redis | Cluster) & Scripts {
  const backoff = (attempt: number): number => Math.min(50 * attempt, RECONNECT_CAP)
  const scripts = Object.fromEntries(Object.entries(SCRIPTS).map(([name, lua]) => [name, { lua, numberOfKeys: 1 }]))
  const connection = {
    ...credentials,
    ...tls,
    commandTimeout: COMMAND_TIMEOUT,
    connectTimeout: OPERATION_TIMEOUT,
    // A connection that swallows commands is closed, so that the next attempt can reach a living server.
    socketTimeout: OPERATION_TIMEOUT,
    maxRetriesPerRequest: 1,
    // A command sent twice could count twice, or take a value and then answer that there is none.
    autoResendUnfulfilledCommands: false,
    // After a failover the old master is a replica: look for the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies RedisOptions
  const shared = { enableOfflineQueue: false, enableAutoPipelining: true, scripts }
  if (kind === 'cluster') {
    const client = new Cluster(nodes, {
      ...shared,
      redisOptions: connection,
      clusterRetryStrategy: backoff,
      clusterNodeRetryStrategy: backoff,
      retryDelayOnFailover: 0,
      // Certificates carry host names, so these must not become addresses.
      dnsLookup: (host, callback) => callback(null, host),
    })
    return client as Cluster & Scripts
  }
  const [first] = nodes
  const place = kind === 'sentinel' ? { sentinels: nodes, name: group, sentinelRetryStrategy: backoff } : { ...first }
  const client = new Redis({
    ...shared,
    ...connection,
    ...place,
    db: database,
    retryStrategy: backoff,
    ...(kind === 'sentinel' && tls.tls !== undefined ? { enableTLSForSentinelMode: true, sentinelTLS: tls.tls } : {}),
  })
  return client as Redis & Scripts
}
