import { Cluster } from 'ioredis'
import type { Log } from '../kernel/log.ts'
import { randomToken } from '../kernel/secrets.ts'
import { parseRedisUrl } from './redis/address.ts'
import { connect } from './redis/client.ts'
import { createRedisConnection } from './redis/connection.ts'
import type { StateKey, StateStore } from './store.ts'
import { wholeMilliseconds } from './ttl.ts'

export interface RedisState extends StateStore {
  /** `maxmemory-policy` of the server; anything but `noeviction` can revive used codes and counters (FA-2). */
  evictionPolicy(): Promise<string>
}

/**
 * `url`: `redis://`, `rediss://` (TLS), `redis+sentinel://host,host/master-name/database`, `redis+cluster://host,host`,
 * each with `user:password@` in front of the hosts; `prefix` is put before every key, `sg:` by default. Throws
 * ConfigError for another address, and does not wait for the connection: operations do, once, and answer
 * `UnavailableError` when it does not come.
 */
export function createRedisState(options: { url: string; prefix?: string }, dependencies: { log: Log }): RedisState {
  const { prefix = 'sg:' } = options
  const client = connect(parseRedisUrl(options.url))
  const connection = createRedisConnection(client, dependencies)
  const { run } = connection
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
    close: () => connection.close(),
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
