import { execFileSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { Redis } from 'ioredis'
import pg from 'pg'
import { pathOf } from './services.ts'

/** One key of Redis as text. Every time is counted from the moment of the dump, so that no dump grows old. */
export type RedisEntry = {
  key: string
  /** Milliseconds left; null: none was set. */
  ttl: number | null
} & ({ string: string } | { hash: Record<string, string> } | { index: Record<string, number> })

/**
 * Everything in the Redis database behind `url`, ordered by key. Sorted sets are indexes of ours, whose scores are
 * points in time (`src/state/redis.ts`): `index` holds member → milliseconds left.
 */
export async function dumpRedis(url: string): Promise<RedisEntry[]> {
  const client = new Redis(url)
  try {
    const keys = (await client.keys('*')).sort()
    return await Promise.all(keys.map((key) => entryOf(client, key)))
  } finally {
    client.disconnect()
  }
}

async function entryOf(client: Redis, key: string): Promise<RedisEntry> {
  const [type, left] = await Promise.all([client.type(key), client.pttl(key)])
  const ttl = left < 0 ? null : left
  if (type === 'string') return { key, ttl, string: (await client.get(key)) ?? '' }
  if (type === 'hash') return { key, ttl, hash: await client.hgetall(key) }
  if (type !== 'zset') throw new Error(`${key} is of a kind that no dump holds: ${type}`)
  const [now, scores] = await Promise.all([timeOf(client), client.zrange(key, '0', '-1', 'WITHSCORES')])
  const members = scores.flatMap((member, place) =>
    place % 2 === 0 ? [[member, Number(scores[place + 1]) - now]] : [],
  )
  return { key, ttl, index: Object.fromEntries(members) }
}

/** The server's own clock, by which it counts. */
async function timeOf(client: Redis): Promise<number> {
  const [seconds, microseconds] = await client.time()
  return Number(seconds) * 1000 + Math.floor(Number(microseconds) / 1000)
}

/** Puts it into an empty database; what was left of each time to live begins now. */
export async function loadRedis(url: string, entries: readonly RedisEntry[]): Promise<void> {
  const client = new Redis(url)
  try {
    const now = await timeOf(client)
    for (const entry of entries) {
      const { key, ttl } = entry
      if ('string' in entry) await client.set(key, entry.string)
      else if ('hash' in entry) await client.hset(key, entry.hash)
      else await client.zadd(key, ...Object.entries(entry.index).flatMap(([member, left]) => [`${now + left}`, member]))
      if (ttl !== null) await client.pexpire(key, ttl)
    }
  } finally {
    client.disconnect()
  }
}

/** Commands of `psql` and settings of one server version: no part of what is kept. */
const OF_THE_SERVER = /^(?:SET |SELECT pg_catalog\.set_config|\\|--|$)/

/** Schema and rows of the PostgreSQL database behind `url` as plain SQL, one statement after the other. */
export function dumpPostgres(url: string): string {
  const program = join(dirname(pathOf('postgres')), 'pg_dump')
  const given = ['--column-inserts', '--no-owner', '--no-privileges', '--no-comments', url]
  const text = execFileSync(program, given, { encoding: 'utf8', maxBuffer: 64 * 2 ** 20 })
  return `${text
    .split('\n')
    .filter((line) => !OF_THE_SERVER.test(line))
    .join('\n')}\n`
}

/** Puts it into an empty database. */
export async function loadPostgres(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
