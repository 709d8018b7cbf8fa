import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'

/** Stands between a server and its Redis and counts how often the server had to wait for it. */
export interface CountingProxy {
  readonly port: number
  /** Since the last call. */
  take(): Trips
  close(): Promise<void>
}

export interface Trips {
  /** Bursts of commands sent when every earlier answer had arrived: each costs one latency of the network. */
  roundTrips: number
  toRedis: number
  fromRedis: number
}

const none = (): Trips => ({ roundTrips: 0, toRedis: 0, fromRedis: 0 })

export async function startCountingProxy(redisPort: number): Promise<CountingProxy> {
  let counted = none()
  const sockets = new Set<Socket>()

  const server = createServer({ noDelay: true }, (client) => {
    const redis = createConnection({ port: redisPort, host: '127.0.0.1', noDelay: true })
    let waiting = false
    client.on('data', (data) => {
      counted.toRedis += data.length
      if (!waiting) counted.roundTrips += 1
      waiting = true
      redis.write(data)
    })
    redis.on('data', (data) => {
      counted.fromRedis += data.length
      waiting = false
      client.write(data)
    })
    pair(client, redis)
    for (const socket of [client, redis]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')

  return {
    port: address.port,
    take() {
      const taken = counted
      counted = none()
      return taken
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** One ends with the other, however that ends. */
function pair(left: Socket, right: Socket): void {
  left.once('close', () => right.destroy())
  right.once('close', () => left.destroy())
  for (const socket of [left, right]) socket.on('error', () => socket.destroy())
}
