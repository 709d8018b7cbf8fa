import { once } from 'node:events'
import { UnavailableError } from '../../kernel/errors.ts'
import type { Log } from '../../kernel/log.ts'
import type { RedisClient } from './client.ts'

/**
 * Milliseconds a whole operation may take, redirections of a cluster included; the first one also waits for the
 * connection.
 */
const OPERATION_TIMEOUT = 1000

/**
 * Runs operations in time or not at all, and says once in the log that the server is away, and once that it is back.
 */
export interface RedisConnection {
  /** Throws `UnavailableError` when the server does not answer in time. */
  run<R>(operation: () => Promise<R>): Promise<R>
  close(): Promise<void>
}

export function createRedisConnection(client: RedisClient, { log }: { log: Log }): RedisConnection {
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

  return {
    async run(operation) {
      try {
        if (client.status !== 'ready') await connected()
        return await withinTime(operation())
      } catch (error) {
        throw new UnavailableError('redis', { cause: withoutArguments(error) })
      }
    },
    async close() {
      if (closed) return
      closed = true
      if (client.status === 'ready') await client.quit().catch(() => client.disconnect())
      else client.disconnect()
    },
  }
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
