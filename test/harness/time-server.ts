import { createSocket } from 'node:dgram'
import { once } from 'node:events'

export interface TimeServer {
  /** For `clock.servers`. */
  readonly address: string
  readonly asked: readonly Buffer[]
  close(): void
}

export interface TimeServerOptions {
  /** Milliseconds by which its clock is ahead of ours. */
  ahead?: number
  /** Changes the answer before it goes out. */
  spoil?: (reply: Buffer) => Buffer | undefined
}

const EPOCH = 2_208_988_800

/** A server of RFC 4330 on loopback, written from the RFC so that it shares nothing with the product. */
export async function startTimeServer({ ahead = 0, spoil }: TimeServerOptions = {}): Promise<TimeServer> {
  const socket = createSocket('udp4')
  const asked: Buffer[] = []
  socket.on('message', (request, { port, address }) => {
    asked.push(request)
    const reply = Buffer.alloc(48)
    // Leap indicator 0, version 4, mode 4 (server); stratum 2.
    reply[0] = 0b00_100_100
    reply[1] = 2
    request.copy(reply, 24, 40, 48)
    for (const place of [32, 40]) {
      const now = (Date.now() + ahead) / 1000
      reply.writeUInt32BE(Math.floor(now) + EPOCH, place)
      reply.writeUInt32BE(Math.floor((now % 1) * 2 ** 32), place + 4)
    }
    const sent = spoil === undefined ? reply : spoil(reply)
    if (sent !== undefined) socket.send(sent, port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  socket.unref()
  return { address: `127.0.0.1:${socket.address().port}`, asked, close: () => socket.close() }
}
