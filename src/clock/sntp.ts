import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { type Clock, SECOND } from '../kernel/clock.ts'

const PORT = 123
const PACKET = 48
/** RFC 4330, 4: no leap indicator, version 4, mode 3 (client). */
const REQUEST = 0x23
const SERVER_MODE = 4
const ALARM = 3
const LAST_STRATUM = 15
/** Seconds between 1900, where NTP counts from, and 1970. */
const EPOCH = 2_208_988_800
/** RFC 4330, 3: a first bit that is not set belongs to the era that begins in 2036. */
const ERA = 2 ** 32
const ORIGINATE = 24
const RECEIVE = 32
const TRANSMIT = 40

/** How far a server's clock is ahead of ours, in milliseconds (RFC 4330, 5). Throws what kept it from being known. */
export async function askOffset(
  server: string,
  { clock, patience }: { clock: Clock; patience: number },
): Promise<number> {
  const { host, port } = placeOf(server)
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  const signal = AbortSignal.timeout(patience)
  try {
    socket.connect(port, host)
    await once(socket, 'connect', { signal })
    const request = Buffer.alloc(PACKET)
    request[0] = REQUEST
    // Only the server sees it: whoever cannot read our packets cannot answer in its place, and our own time goes
    // nowhere.
    const nonce = randomBytes(8)
    nonce.copy(request, TRANSMIT)
    const [sent, started] = [clock.now(), performance.now()]
    socket.send(request)
    // Another packet than the answer to this one is not waited out: whoever sends those can be asked again in an hour.
    const [reply] = (await once(socket, 'message', { signal })) as [Buffer]
    const travelled = performance.now() - started
    const { received, transmitted } = readReply(reply, nonce)
    return (received - sent + (transmitted - (sent + travelled))) / 2
  } catch (error) {
    throw signal.aborted ? new Error(`no answer within ${patience / SECOND} seconds`) : error
  } finally {
    socket.close()
  }
}

/** The server's two times, in milliseconds since 1970; throws for what a client must not believe (RFC 4330, 5). */
function readReply(reply: Buffer, nonce: Buffer): { received: number; transmitted: number } {
  if (reply.length < PACKET) throw new Error('the answer is too short')
  const [flags = 0, stratum = 0] = reply
  if (!reply.subarray(ORIGINATE, ORIGINATE + 8).equals(nonce)) throw new Error('the answer is not to our question')
  if ((flags & 7) !== SERVER_MODE) throw new Error('the answer is not a server’s')
  // RFC 4330, 8: kiss-o'-death, with the reason in place of the reference.
  if (stratum === 0) throw new Error(`the server refuses (${reply.toString('latin1', 12, 16).replace(/[^A-Z]/g, '')})`)
  if (flags >> 6 === ALARM || stratum > LAST_STRATUM) throw new Error('the server’s own clock is not set')
  const [received, transmitted] = [timeAt(reply, RECEIVE), timeAt(reply, TRANSMIT)]
  if (received === undefined || transmitted === undefined) throw new Error('the answer has no time')
  return { received, transmitted }
}

function timeAt(packet: Buffer, offset: number): number | undefined {
  const [seconds, fraction] = [packet.readUInt32BE(offset), packet.readUInt32BE(offset + 4)]
  if (seconds === 0 && fraction === 0) return undefined
  const whole = seconds < ERA / 2 ? seconds + ERA : seconds
  return (whole - EPOCH + fraction / ERA) * SECOND
}

/** `host`, `host:port` or `[IPv6]:port`. */
function placeOf(server: string): { host: string; port: number } {
  const [, host = '', port] = /^\[?(.*?)\]?(?::([0-9]+))?$/.exec(server) ?? []
  return { host, port: port === undefined ? PORT : Number(port) }
}
