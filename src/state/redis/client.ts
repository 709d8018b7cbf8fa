import { Cluster, Redis, type RedisOptions } from 'ioredis'
import type { RedisAddress } from './address.ts'
import { SCRIPTS, type Scripts } from './scripts.ts'

/** Milliseconds one command may take. */
const COMMAND_TIMEOUT = 500
/** Milliseconds to connect, and those after which a connection that swallows commands is given up. */
const CONNECTION_TIMEOUT = 1000
/** Milliseconds between two attempts to connect grow to this. */
const RECONNECT_CAP = 1000

export type RedisClient = (Redis | Cluster) & Scripts

/** A client that connects by itself, again and again; it queues nothing and sends nothing twice. */
export function connect({ kind, nodes, group, database, credentials, tls }: RedisAddress): RedisClient {
  const backoff = (attempt: number): number => Math.min(50 * attempt, RECONNECT_CAP)
  const scripts = Object.fromEntries(Object.entries(SCRIPTS).map(([name, lua]) => [name, { lua, numberOfKeys: 1 }]))
  const connection = {
    ...credentials,
    ...tls,
    commandTimeout: COMMAND_TIMEOUT,
    connectTimeout: CONNECTION_TIMEOUT,
    // A connection that swallows commands is closed, so that the next attempt can reach a living server.
    socketTimeout: CONNECTION_TIMEOUT,
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
