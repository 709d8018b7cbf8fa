import { Redis } from 'ioredis'

/** What one Redis database holds and what its server was asked to do. */
export interface RedisUsage {
  /** Commands served since the last `restart`, those of scripts included, by name. */
  commands(): Promise<Record<string, number>>
  restart(): Promise<void>
  /** Every key with its bytes as MEMORY USAGE counts them. */
  keys(): Promise<Map<string, number>>
  close(): void
}

/** Our own questions. */
const ASKED = new Set(['info', 'config|resetstat', 'scan', 'memory|usage', 'select', 'client|setinfo', 'hello'])

export function createRedisUsage(url: string): RedisUsage {
  const redis = new Redis(url)
  return {
    async commands() {
      const lines = (await redis.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)
      const counts = [...lines].map(([, name = '', calls]) => [name, Number(calls)] as const)
      return Object.fromEntries(counts.filter(([name]) => !ASKED.has(name)))
    },
    async restart() {
      await redis.config('RESETSTAT')
    },
    async keys() {
      const found = new Map<string, number>()
      for await (const page of redis.scanStream({ count: 1000 })) {
        const names = page as string[]
        const sizes = await Promise.all(names.map((name) => redis.memory('USAGE', name)))
        names.forEach((name, index) => {
          found.set(name, Number(sizes[index] ?? 0))
        })
      }
      return found
    },
    close: () => redis.disconnect(),
  }
}

/** Bytes by kind of key of what is in `after` and was not, or not as large, in `before`. */
export function growth(before: Map<string, number>, after: Map<string, number>): Map<string, number> {
  const kinds = new Map<string, number>()
  for (const [key, bytes] of after) {
    const more = bytes - (before.get(key) ?? 0)
    if (more > 0) kinds.set(kindOf(key), (kinds.get(kindOf(key)) ?? 0) + more)
  }
  return kinds
}

/** The words of a key without what is only its own: `oidc:Session:h4t…` is `oidc:Session`. */
function kindOf(key: string): string {
  return key
    .split(':')
    .slice(0, -1)
    .map((word) => word.replace(/[{}]/g, ''))
    .join(':')
}
