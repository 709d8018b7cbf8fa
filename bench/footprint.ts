import { type CountingProxy, startCountingProxy } from './counting-proxy.ts'
import type { Generator } from './generator.ts'
import { createRedisUsage, growth } from './redis-usage.ts'
import type { Kind, Stores } from './subject.ts'

/** What one sign-in costs the stores, one at a time. */
export interface Footprint {
  /** Times a server waited for Redis, one after another. */
  roundTrips: number
  /** The same for PostgreSQL; a transaction is several. */
  sqlRoundTrips: number
  commands: number
  commandsByName: Record<string, number>
  bytesToRedis: number
  bytesFromRedis: number
  /** Kept in Redis after a sign-in, as MEMORY USAGE counts it. */
  bytesKept: number
  bytesByKind: Record<string, number>
  /** Of those, what lives as long as the session. */
  bytesPerSession: number
  /** What ticking "remember this device" adds; undefined when there is no such box. */
  bytesPerDevice: number | undefined
}

const WARM_UP = 10
const SIGN_INS = 40
/** Session, its index, what it proves, its grant: by the names both servers give them. */
const OF_SESSION = /session|proofs|grant$|uid$/i

/** On a process of its own, with a counting proxy in front of each store. */
export async function measureFootprint(kind: Kind, stores: Stores, generator: Generator): Promise<Footprint> {
  const redis = await proxied(stores.redis)
  const postgres = await proxied(stores.postgres)
  const server = await kind.start({ ...stores, redis: redis.url, postgres: postgres.url }, { hash: 'none' })
  const usage = createRedisUsage(stores.redis)
  const visit = async (signIns: number, { remember }: { remember: boolean }): Promise<void> => {
    const order = { crowd: kind.name, signIns }
    await generator.obey({ ...order, do: 'prepare' })
    await generator.obey({ ...order, do: 'sign-in', party: server.party, concurrency: 1, remember })
  }
  try {
    await visit(WARM_UP, { remember: false })
    const before = await usage.keys()
    await usage.restart()
    redis.proxy.take()
    postgres.proxy.take()
    await visit(SIGN_INS, { remember: false })
    const trips = redis.proxy.take()
    const sqlTrips = postgres.proxy.take()
    const commandsByName = perSignIn(Object.entries(await usage.commands()))
    const between = await usage.keys()
    await visit(SIGN_INS, { remember: true })
    const after = await usage.keys()
    const kept = perSignIn(growth(before, between))
    const remembering = perSignIn(growth(between, after))
    const ofSession = Object.entries(kept).filter(([name]) => OF_SESSION.test(name))
    const more = sum(remembering) - sum(kept)
    const newKind = Object.keys(remembering).some((name) => kept[name] === undefined)
    return {
      roundTrips: trips.roundTrips / SIGN_INS,
      sqlRoundTrips: sqlTrips.roundTrips / SIGN_INS,
      commands: sum(commandsByName),
      commandsByName,
      bytesToRedis: trips.toStore / SIGN_INS,
      bytesFromRedis: trips.fromStore / SIGN_INS,
      bytesKept: sum(kept),
      bytesByKind: kept,
      bytesPerSession: sum(Object.fromEntries(ofSession)),
      bytesPerDevice: newKind ? more : undefined,
    }
  } finally {
    usage.close()
    await server.stop()
    await Promise.all([redis.proxy.close(), postgres.proxy.close()])
  }
}

/** The same store behind a counting proxy. */
async function proxied(store: string): Promise<{ url: string; proxy: CountingProxy }> {
  const url = new URL(store)
  const proxy = await startCountingProxy(Number(url.port))
  url.port = `${proxy.port}`
  return { url: url.href, proxy }
}

function perSignIn(totals: Iterable<[string, number]>): Record<string, number> {
  return Object.fromEntries([...totals].map(([name, total]) => [name, total / SIGN_INS]))
}

const sum = (parts: Record<string, number>): number => Object.values(parts).reduce((total, part) => total + part, 0)
