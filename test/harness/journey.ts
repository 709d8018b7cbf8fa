import type { Answer } from './exchange.ts'

/** One request on its way through redirects. */
export interface Journey {
  method: string
  url: URL
  body: string | Buffer | undefined
  /** The address of the page that started it; undefined: the address bar. */
  from: string | undefined
  visited: string[]
}

/** Undefined unless the answer is a redirect; a 303 and what browsers make of 301 and 302 turn a POST into a GET. */
export function redirectOf(answer: Answer, journey: Journey): Journey | undefined {
  const { location } = answer.headers
  if (answer.status < 300 || answer.status > 399 || location === undefined) return undefined
  const url = new URL(location, journey.url)
  const keeps = answer.status === 307 || answer.status === 308
  return keeps ? { ...journey, url } : { ...journey, url, method: 'GET', body: undefined }
}

type Site = 'none' | 'same-origin' | 'same-site' | 'cross-site'

/** Fetch Metadata: the farthest that any address of the journey is from the page that started it. */
export function siteOf({ from, visited }: Journey): Site {
  if (from === undefined) return 'none'
  const start = new URL(from)
  const distances = visited.map((address) => distance(start, new URL(address)))
  if (distances.includes('cross-site')) return 'cross-site'
  return distances.includes('same-site') ? 'same-site' : 'same-origin'
}

/** Names below one parent of two labels count as one site; numbers only as themselves. */
function distance(one: URL, other: URL): Site {
  if (one.origin === other.origin) return 'same-origin'
  const site = (url: URL): string =>
    /^[\d.]+$|:/.test(url.hostname) ? url.hostname : url.hostname.split('.').slice(-2).join('.')
  return one.protocol === other.protocol && site(one) === site(other) ? 'same-site' : 'cross-site'
}

export function sameSite({ method }: Journey, site: Site): 'strict' | 'lax' | 'none' {
  if (site !== 'cross-site') return 'strict'
  return reads(method) ? 'lax' : 'none'
}

export const reads = (method: string): boolean => method === 'GET' || method === 'HEAD'

export function originOf({ from, url }: Journey): string {
  return from === undefined ? 'null' : new URL(from, url).origin
}
