import { Agent, type IncomingHttpHeaders, request } from 'node:http'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

interface Sent {
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  form?: Record<string, string>
}

/** One HTTP exchange over kept-alive connections. */
export type Send = (url: URL, sent?: Sent) => Promise<Answer>

/** `close` ends the connections. */
export function createSend(options: { connections: number }): { send: Send; close: () => void } {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections })
  const send: Send = (url, { method = 'GET', headers = {}, form } = {}) => {
    const body = form === undefined ? '' : new URLSearchParams(form).toString()
    const about = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': `${body.length}` }
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    const given = { ...headers, ...(form !== undefined && about) }
    const outgoing = request(url, { agent, method, headers: given }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (part: string) => {
        text += part
      })
      incoming.once('error', reject)
      incoming.once('end', () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body: text }))
    })
    outgoing.once('error', (cause) => reject(new Error(`${method} ${url.pathname}: ${cause.message}`, { cause })))
    outgoing.end(body)
    return promise
  }
  return { send, close: () => agent.destroy() }
}

interface Cookie {
  name: string
  value: string
  path: string
}

/** A browser with a cookie jar of its own: it sends forms and follows redirects one at a time. */
export interface Browser {
  open(url: URL): Promise<Answer>
  submit(url: URL, form: Record<string, string>): Promise<Answer>
}

const ACCEPT = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
const AGENT = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
/** What a browser sends with a navigation. */
const HEADERS = {
  accept: ACCEPT,
  'accept-language': 'en-GB,en;q=0.9',
  'user-agent': AGENT,
  'sec-fetch-dest': 'document',
}

export function createBrowser(send: Send): Browser {
  let cookies: Cookie[] = []

  const headersFor = (url: URL): Record<string, string> => {
    const sent = cookies.filter(({ path }) => reaches(path, url.pathname))
    const cookie = sent.map(({ name, value }) => `${name}=${value}`).join('; ')
    return { ...HEADERS, 'sec-fetch-mode': 'navigate', ...(cookie !== '' && { cookie }) }
  }

  const keep = ({ headers }: Answer): void => {
    for (const line of headers['set-cookie'] ?? []) {
      const cookie = cookieOf(line)
      cookies = cookies.filter(({ name, path }) => name !== cookie.name || path !== cookie.path)
      if (cookie.value !== '') cookies.push(cookie)
    }
  }

  const exchange = async (url: URL, sent: Sent): Promise<Answer> => {
    const answer = await send(url, sent)
    keep(answer)
    return answer
  }

  return {
    open: (url) => exchange(url, { headers: { ...headersFor(url), 'sec-fetch-site': 'none' } }),
    submit(url, form) {
      const headers = { ...headersFor(url), origin: url.origin, 'sec-fetch-site': 'same-origin' }
      return exchange(url, { method: 'POST', headers, form })
    },
  }
}

function cookieOf(line: string): Cookie {
  const [pair = '', ...attributes] = line.split(/;\s*/)
  const equals = pair.indexOf('=')
  const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice('path='.length) ?? '/'
  const gone = attributes.some((attribute) => /^(expires=Thu, 01 Jan 1970|max-age=0)/i.test(attribute))
  return { name: pair.slice(0, equals), value: gone ? '' : pair.slice(equals + 1), path }
}

/** RFC 6265, section 5.1.4. */
function reaches(path: string, requested: string): boolean {
  if (!requested.startsWith(path)) return false
  return path.endsWith('/') || requested.length === path.length || requested[path.length] === '/'
}
