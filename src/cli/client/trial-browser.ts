import { type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { CookieJar } from 'tough-cookie'
import { readPage, type TrialForm } from './trial-page.ts'

interface TrialResponse {
  status: number
  location: string | undefined
  body: string
}

/** Who signs in without a person: on a gateway of its own, with an account of its own. */
export interface TrialBrowserOptions {
  /** Host of every request; the gateway listens on `port` of loopback. */
  issuer: string
  port: number
  username: string
  password: string
  /** What a page asks for in its field `code`. */
  codeFor(page: string, form: TrialForm): string
}

/** A page after which nothing follows, or an address that is not the gateway's. */
export interface Walked {
  /** `data-page` of the pages that were answered, in order. */
  pages: string[]
  end: TrialResponse & { page: string | undefined; error: string | undefined }
}

const LONGEST_WAY = 12

export interface TrialBrowser {
  send(url: string, form?: { body: string; headers?: Record<string, string> }): Promise<TrialResponse>
  walk(url: string): Promise<Walked>
}

/** Follows redirects inside the gateway and answers each page's main form as its owner would. */
export function createTrialBrowser(options: TrialBrowserOptions): TrialBrowser {
  const { issuer, port } = options
  const jar = new CookieJar()

  async function send(url: string, form?: { body: string; headers?: Record<string, string> }): Promise<TrialResponse> {
    const { href, host, pathname, search } = new URL(url, issuer)
    const headers: Record<string, string> = { host, cookie: await jar.getCookieString(href) }
    if (form !== undefined) {
      const type = 'application/x-www-form-urlencoded'
      Object.assign(headers, {
        'content-type': type,
        'content-length': `${Buffer.byteLength(form.body)}`,
      })
      Object.assign(headers, form.headers)
    }
    const method = form === undefined ? 'GET' : 'POST'
    const place = { host: '127.0.0.1', port, path: `${pathname}${search}`, method, headers, agent: false as const }
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request(place, resolve).on('error', reject).end(form?.body)
    })
    for (const cookie of response.headers['set-cookie'] ?? []) await jar.setCookie(cookie, href, { ignoreError: true })
    return { status: response.statusCode ?? 0, location: response.headers.location, body: await text(response) }
  }

  /** What the page asks for, from what its owner knows. */
  function answerOf(page: string, form: TrialForm): string {
    const typed = (name: string, value: () => string): Record<string, string> =>
      form.fields.includes(name) ? { [name]: value() } : {}
    return new URLSearchParams({
      ...form.filled,
      ...typed('username', () => options.username),
      ...typed('password', () => options.password),
      ...typed('code', () => options.codeFor(page, form)),
    }).toString()
  }

  return {
    send,
    async walk(url) {
      const pages: string[] = []
      let answer = await send(url)
      for (let steps = 0; steps < LONGEST_WAY; steps += 1) {
        const { name: page, error, form } = readPage(answer.body)
        const inside = answer.location === undefined ? undefined : new URL(answer.location, issuer)
        if (inside !== undefined && inside.origin === issuer && !inside.searchParams.has('code')) {
          answer = await send(inside.href)
        } else if (inside !== undefined || form === undefined || error !== undefined) {
          return { pages, end: { ...answer, page, error } }
        } else {
          pages.push(page ?? '')
          answer = await send(form.action, { body: answerOf(page ?? '', form), headers: { origin: issuer } })
        }
      }
      return { pages, end: { ...answer, page: undefined, error: 'a way without end' } }
    },
  }
}
