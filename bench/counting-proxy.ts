import { once } from 'node:events'
import { createConnection, createServer, type Socket } from 'node:net'

/** Stands between a server and one of its stores and counts how often the server had to wait for it. */
export interface CountingProxy {
  readonly port: number
  /** Since the last call. */
  take(): Trips
  close(): Promise<void>
}

interface Trips {
  /** Bursts of commands sent when every earlier answer had arrived: each costs one latency of the network. */
  roundTrips: number
  toStore: number
  fromStore: number
}

const none = (): Trips => ({ roundTrips: 0, toStore: 0, fromStore: 0 })

export async function startCountingProxy(storePort: number): Promise<CountingProxy> {
  let counted = none()
  const sockets = new Set<Socket>()

  const server = createServer({ noDelay: true }, (client) => {
    const store = createConnection({ port: storePort, host: '127.0.0.1', noDelay: true })
    let waiting = false
    client.on('data', (data) => {
      counted.toStore += data.length
      if (!waiting) counted.roundTrips += 1
      waiting = true
      store.write(data)
    })
    store.on('data', (data) => {
      counted.fromStore += data.length
      waiting = false
      client.write(data)
    })
    pair(client, store)
    for (const socket of [client, store]) {
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
