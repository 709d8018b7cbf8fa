import { type Agent, type IncomingHttpHeaders, request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { Socket } from 'node:net'

/**
 * One HTTP request with nothing added: no redirects, no cookies, and a connection of its own unless it is given some.
 */
export interface Exchange {
  method?: string
  url: string | URL
  /** A list is sent as several lines of one name. */
  headers?: Record<string, string | readonly string[]>
  body?: string | Buffer
  /** PEM of the authority that is trusted instead of the system's; for https. */
  ca?: string
  /**
   * Connects here instead of to the URL's host, in clear text, whatever the URL says; the Host header stays the URL's.
   */
  connect?: { host?: string; port: number }
  /** Connections that are used again, for requests in clear text. */
  connections?: Agent | false
  signal?: AbortSignal
  /** Milliseconds without an answer; default 20 000. */
  timeout?: number
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
}

const PATIENCE = 20_000

export async function exchange(given: Exchange): Promise<Answer> {
  try {
    return await send(given)
  } catch (error) {
    // The server may end a connection that rested at the moment in which it is used again; browsers ask once more too.
    if (!given.connections || !(error instanceof StaleConnection)) throw error
    return send({ ...given, connections: false })
  }
}

class StaleConnection extends Error {}

async function send(given: Exchange): Promise<Answer> {
  const url = new URL(given.url)
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const secure = url.protocol === 'https:' && given.connect === undefined
  const call = secure ? secureRequest : plainRequest
  const sent = call(
    {
      method: given.method ?? 'GET',
      host: given.connect?.host ?? (given.connect === undefined ? hostOf(url) : '127.0.0.1'),
      port: given.connect?.port ?? portOf(url),
      path: `${url.pathname}${url.search}`,
      headers: headersOf(given, url),
      agent: (!secure && given.connections) || false,
      timeout: given.timeout ?? PATIENCE,
      ...(given.signal === undefined ? {} : { signal: given.signal }),
      ...(secure ? tlsOf(given, url) : {}),
    },
    (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.once('error', reject)
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) })
      })
    },
  )
  sent.once('error', (error: NodeJS.ErrnoException) => {
    const stale = sent.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code ?? '')
    reject(stale ? new StaleConnection(error.message, { cause: error }) : error)
  })
  sent.once('timeout', () => sent.destroy(new Error(`no answer from ${url.origin}${url.pathname}`)))
  // A server that refuses a body early closes the connection; what it said before that still counts.
  sent.once('socket', (socket: Socket) => socket.setNoDelay(true))
  sent.end(given.body)
  return promise
}

/** The same as a fetch function, for libraries that accept one. */
export function fetchWith(defaults: Pick<Exchange, 'ca'>) {
  return async (input: string | URL, init: FetchLike = {}): Promise<Response> => {
    const body = bodyOf(init.body)
    const answer = await exchange({
      ...defaults,
      url: input,
      headers: Object.fromEntries(new Headers(init.headers)),
      ...(init.method === undefined ? {} : { method: init.method }),
      ...(body === undefined ? {} : { body }),
      ...(init.signal ? { signal: init.signal } : {}),
    })
    const headers = new Headers()
    for (const [name, value] of Object.entries(answer.headers)) {
      for (const line of [value ?? []].flat()) headers.append(name, line)
    }
    const empty = answer.status === 204 || answer.status === 304
    return new Response(empty ? null : new Uint8Array(answer.body), { status: answer.status, headers })
  }
}

interface FetchLike {
  method?: string
  headers?: Headers | Record<string, string>
  body?: unknown
  signal?: AbortSignal | null
}

function bodyOf(body: unknown): string | Buffer | undefined {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'string' || body instanceof URLSearchParams) return `${body}`
  if (body instanceof Uint8Array) return Buffer.from(body)
  if (body instanceof ArrayBuffer) return Buffer.from(body)
  throw new Error('bodies that stream are not sent here')
}

function headersOf(given: Exchange, url: URL): Record<string, string | string[]> {
  const entries = Object.entries(given.headers ?? {}).map(([name, value]): [string, string | string[]] => [
    name.toLowerCase(),
    typeof value === 'string' ? value : [...value],
  ])
  const length = given.body === undefined ? {} : { 'content-length': `${Buffer.byteLength(given.body)}` }
  return { host: url.host, ...length, ...Object.fromEntries(entries) }
}

function tlsOf(given: Exchange, url: URL): { ca?: string; servername: string } {
  const name = url.hostname.replace(/^\[|\]$/g, '')
  // A certificate for an address is checked against the address, and SNI never carries one (RFC 6066, section 3).
  return { ...(given.ca === undefined ? {} : { ca: given.ca }), servername: /^[\d.]+$|:/.test(name) ? '' : name }
}

/** Names below `localhost` are this machine (RFC 6761, section 6.3), also where the resolver does not know that. */
function hostOf(url: URL): string {
  const name = url.hostname.replace(/^\[|\]$/g, '')
  return name === 'localhost' || name.endsWith('.localhost') ? '127.0.0.1' : name
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}
