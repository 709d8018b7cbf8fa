import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { canonicalAddress, createNetworks } from '../kernel/network.ts'

/** Longer request lines are refused; the engine's parameters of 56 KiB come by POST (DO-3). */
const MAX_URL = 16 * 1024
/** What RFC 7239, 6.2 calls a client without an address; an empty header would be taken for none at all. */
const NOBODY = 'unknown'
const ALLOWED_METHODS = new Set(['GET', 'HEAD', 'POST', 'OPTIONS'])

export interface FrontDoorOptions {
  issuer: string
  /** Addresses or networks whose X-Forwarded-* count. */
  trustedProxies: readonly string[]
  /** Of every response, whoever writes it. */
  headers: Readonly<Record<string, string>>
}

/**
 * What every request passes before anything looks at it. The host must be the issuer's (WE-10, X6); scheme, host and
 * client address are then written into X-Forwarded-* by us alone, so that nothing further in decides from what a
 * stranger sent (WE-11, X7). The client address is the right-most X-Forwarded-For entry that is not a trusted proxy,
 * and only trusted proxies are believed.
 */
export function createFrontDoor(
  options: FrontDoorOptions,
  dependencies: { inside: RequestListener; health: RequestListener; onRefused: (host: string, ip: string) => void },
): RequestListener {
  const issuer = new URL(options.issuer)
  const trusted = createNetworks(options.trustedProxies)
  const { inside, health, onRefused } = dependencies
  const headers = new Map(Object.entries(options.headers))
  return (request, response) => {
    response.setHeaders(headers)
    const path = request.url ?? ''
    if (path.length > MAX_URL) return refuse(response, 414)
    if (!path.startsWith('/')) return refuse(response, 400)
    if (!ALLOWED_METHODS.has(request.method ?? '')) return refuse(response, 405)
    // Health is asked for by machines that know an address, not a name.
    if (path === '/livez' || path === '/readyz') return void health(request, response)
    const peer = canonicalAddress(request.socket.remoteAddress ?? '') ?? ''
    const byProxy = trusted(peer)
    const ip = byProxy ? clientAddress(headerOf(request, 'x-forwarded-for'), peer, trusted) : peer
    const host = (byProxy && lastOf(headerOf(request, 'x-forwarded-host'))) || headerOf(request, 'host')
    if (!sameHost(host, issuer)) {
      onRefused(host, ip)
      return refuse(response, 421)
    }
    rewrite(request, { issuer, ip })
    return void inside(request, response)
  }
}

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name]
  return (Array.isArray(value) ? value.join(',') : value) ?? ''
}

/** Proxies append: what stands before the last entry was sent to the one that is trusted. */
function lastOf(list: string): string {
  return list.slice(list.lastIndexOf(',') + 1).trim()
}

function sameHost(host: string, issuer: URL): boolean {
  const port = issuer.port === '' ? (issuer.protocol === 'https:' ? '443' : '80') : issuer.port
  const given = host.toLowerCase()
  return given === issuer.host || given === `${issuer.hostname}:${port}`
}

/**
 * Walks the chain from our side: each trusted proxy vouches for the entry it wrote, the first address nobody vouches
 * for is the client.
 */
function clientAddress(chain: string, peer: string, trusted: (address: string) => boolean): string {
  if (chain.trim() === '') return peer
  let client = peer
  for (const entry of chain.split(',').reverse()) {
    const address = canonicalAddress(withoutPort(entry.trim()))
    // Somebody, but nobody can say who: no rule for a network may match.
    if (address === undefined) return NOBODY
    client = address
    if (!trusted(address)) return client
  }
  return client
}

/** Some proxies write the port too. */
function withoutPort(entry: string): string {
  return entry.replace(/^\[([^\]]*)\](?::\d+)?$/, '$1').replace(/^(\d+(?:\.\d+){3}):\d+$/, '$1')
}

function rewrite(request: IncomingMessage, { issuer, ip }: { issuer: URL; ip: string }): void {
  const { headers } = request
  for (const name of Object.keys(headers)) {
    if (name.startsWith('x-forwarded-') || name === 'forwarded' || name === 'x-real-ip') delete headers[name]
  }
  headers.host = issuer.host
  headers['x-forwarded-proto'] = issuer.protocol.slice(0, -1)
  headers['x-forwarded-host'] = issuer.host
  headers['x-forwarded-for'] = ip
}

function refuse(response: ServerResponse, status: 400 | 405 | 414 | 421): void {
  const allow = status === 405 ? { allow: [...ALLOWED_METHODS].join(', ') } : {}
  response.writeHead(status, { 'content-length': 0, connection: 'close', ...allow })
  response.end()
}
