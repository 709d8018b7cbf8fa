import { Agent, type IncomingHttpHeaders } from 'node:http'
import { Cookie, CookieJar } from 'tough-cookie'
import { type Answer, exchange } from './exchange.ts'
import { encode, type Fields, type Form, fillIn, formsOf, mainForm } from './forms.ts'
import { find, findAll, type HtmlElement, parseHtml, textOf } from './html.ts'
import { type Journey, originOf, reads, redirectOf, sameSite, siteOf } from './journey.ts'

export type { Button, Fields, Form } from './forms.ts'

export interface BrowserOptions {
  /** Redirects are followed inside this origin only; default: that of the first address. */
  origin?: string
  /** More origins whose redirects are followed, such as a relying party's. */
  follow?: readonly string[]
  /** Sent with every request: User-Agent, Accept-Language, X-Forwarded-For and the like. */
  headers?: Record<string, string>
  /** PEM of the authority behind https addresses. */
  ca?: string
  /**
   * A TLS-ending proxy in front of `origin`: its requests go in clear text to this port of 127.0.0.1 with the Host of
   * the address and X-Forwarded-For (`client`), -Proto and -Host as a proxy sets them.
   */
  proxy?: { port: number; client?: string }
  jar?: CookieJar
}

export interface SendOptions {
  /** Win over everything else, Cookie, Host, Origin and Sec-Fetch-* included; `undefined` leaves one out. */
  headers?: Record<string, string | undefined>
  /** `stop` answers the first response, whatever it is; default `follow`. */
  redirects?: 'follow' | 'stop'
  /**
   * The address of the page whose link or form this is; default: the address bar for `get`, the target's own origin for
   * `post`.
   */
  from?: string
}

export interface BrowserResponse {
  status: number
  /** Of this answer, after all redirects that were followed. */
  url: string
  headers: IncomingHttpHeaders
  body: string
  /** `data-page` and `data-error` of `main`. */
  page: string | undefined
  error: string | undefined
  /** The page's main form. */
  form: Form | undefined
  forms: readonly Form[]
  /** As stored for this address after the answer: name → value. */
  cookies: Readonly<Record<string, string>>
  /** Where a redirect that was not followed leads; absolute. */
  location: string | undefined
  /** Every address that was asked, the last one included. */
  visited: readonly string[]
  document: HtmlElement
  find(selector: string): HtmlElement | undefined
  findAll(selector: string): HtmlElement[]
  /** What a person reads in the first element that `selector` matches; '' when there is none. */
  text(selector?: string): string
}

export interface Browser {
  readonly jar: CookieJar
  get(url: string | URL, options?: SendOptions): Promise<BrowserResponse>
  /** Fields are sent as a form; a string or bytes are sent as they are. */
  post(url: string | URL, body: Fields | string | Buffer, options?: SendOptions): Promise<BrowserResponse>
  /** Any method; a body without a Content-Type header is sent as a form. */
  send(
    method: string,
    url: string | URL,
    body: string | Buffer | undefined,
    options?: SendOptions,
  ): Promise<BrowserResponse>
  /** Fills in and sends the page's main form, or the one given, as a browser without scripts does; see `fillIn`. */
  submit(response: BrowserResponse, fields?: Fields, options?: SendOptions & { form?: Form }): Promise<BrowserResponse>
  /** The cookies that a request to `url` would carry: name → value. */
  cookies(url: string | URL): Promise<Record<string, string>>
  setCookie(url: string | URL, cookie: string): Promise<void>
  /** Forgets everything, as a person who clears the cookies; with names, only those. */
  clear(...names: string[]): Promise<void>
  /** A second browser with a copy of the cookies, as a thief would have. */
  copy(options?: BrowserOptions): Promise<Browser>
}

const MOST_REDIRECTS = 20
const FORM = 'application/x-www-form-urlencoded'
const AS_A_BROWSER = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'accept-language': 'en',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-user': '?1',
  'upgrade-insecure-requests': '1',
}

/** Of all browsers: nothing of a person or a browser hangs on a connection. */
const CONNECTIONS = new Agent({ keepAlive: true })

/**
 * A browser without scripts for tests of flows: cookies with their rules, redirects, forms. It verifies nothing of our
 * own.
 */
export function createBrowser(options: BrowserOptions = {}): Browser {
  // A refused cookie (prefix, Secure, Domain) is dropped without a word, as browsers do.
  const jar = options.jar ?? new CookieJar(undefined, { prefixSecurity: 'silent' })
  const known = new Set([...(options.follow ?? [])])
  if (options.origin !== undefined) known.add(new URL(options.origin).origin)

  async function travel(method: string, target: string | URL, body: Journey['body'], given: SendOptions) {
    const url = new URL(target)
    if (options.origin === undefined && known.size === (options.follow?.length ?? 0)) known.add(url.origin)
    let journey: Journey = { method, url, body, from: given.from, visited: [] }
    for (;;) {
      journey.visited.push(journey.url.href)
      const answer = await ask(journey, given)
      const next = redirectOf(answer, journey)
      const followed = next !== undefined && given.redirects !== 'stop' && known.has(next.url.origin)
      if (!followed) return responseOf(answer, journey, next?.url.href)
      if (journey.visited.length > MOST_REDIRECTS)
        throw new Error(`redirects without end: ${journey.visited.join(' → ')}`)
      journey = next
    }
  }

  function proxyFor(url: URL): BrowserOptions['proxy'] {
    return options.origin === undefined || url.origin === new URL(options.origin).origin ? options.proxy : undefined
  }

  async function ask(journey: Journey, given: SendOptions): Promise<Answer> {
    const { url, method, body } = journey
    const site = siteOf(journey)
    const cookie = await jar.getCookieString(url.href, { sameSiteContext: sameSite(journey, site) })
    const proxy = proxyFor(url)
    const headers = {
      ...AS_A_BROWSER,
      'sec-fetch-site': site,
      ...(reads(method) ? {} : { origin: originOf(journey), 'content-type': FORM }),
      cookie: cookie || undefined,
      ...(proxy === undefined ? {} : forwarded(url, proxy)),
      ...lowerCase(options.headers ?? {}),
      ...lowerCase(given.headers ?? {}),
    }
    const answer = await exchange({
      method,
      url,
      headers: withoutUndefined(headers),
      connections: CONNECTIONS,
      ...(body === undefined ? {} : { body }),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
      ...(proxy === undefined ? {} : { connect: { port: proxy.port } }),
    })
    for (const line of answer.headers['set-cookie'] ?? []) await jar.setCookie(line, url.href, { ignoreError: true })
    return answer
  }

  async function responseOf(answer: Answer, journey: Journey, location: string | undefined): Promise<BrowserResponse> {
    const body = answer.body.toString('utf8')
    const document = parseHtml(`${answer.headers['content-type']}`.includes('html') ? body : '')
    const url = journey.url.href
    const forms = formsOf(document, url)
    const main = find(document, 'main[data-page]')
    return {
      status: answer.status,
      url,
      headers: answer.headers,
      body,
      page: main?.attributes['data-page'],
      error: main?.attributes['data-error'] || undefined,
      form: mainForm(document, forms),
      forms,
      cookies: await cookiesOf(url),
      location,
      visited: journey.visited,
      document,
      find: (selector) => find(document, selector),
      findAll: (selector) => findAll(document, selector),
      text(selector = 'main') {
        const element = find(document, selector)
        return element === undefined ? '' : textOf(element)
      },
    }
  }

  async function cookiesOf(url: string): Promise<Record<string, string>> {
    const cookies = await jar.getCookies(url)
    return Object.fromEntries(cookies.map(({ key, value }) => [key, value]))
  }

  const browser: Browser = {
    jar,
    get: (url, given = {}) => travel('GET', url, undefined, given),
    post(url, body, given = {}) {
      const sent = typeof body === 'string' || Buffer.isBuffer(body) ? body : encode(body)
      return travel('POST', url, sent, { from: new URL(url).href, ...given })
    },
    send: (method, url, body, given = {}) => travel(method, url, body, { from: new URL(url).href, ...given }),
    submit(response, fields = {}, { form = response.form, ...given } = {}) {
      if (form === undefined) throw new Error(`no form on ${response.url}: ${response.status} ${response.text()}`)
      const sent = encode(fillIn(form, fields))
      const from = { from: response.url, ...given }
      if (form.method === 'post') return travel('POST', form.action, sent, from)
      const target = new URL(form.action)
      target.search = sent
      return travel('GET', target, undefined, from)
    },
    cookies: (url) => cookiesOf(new URL(url).href),
    async setCookie(url, cookie) {
      await jar.setCookie(cookie, new URL(url).href)
    },
    async clear(...names) {
      if (names.length === 0) return jar.removeAllCookies()
      const { cookies } = await jar.serialize()
      for (const cookie of cookies.map((each) => Cookie.fromJSON(each))) {
        if (!cookie || !names.includes(cookie.key)) continue
        await jar.store.removeCookie(cookie.domain ?? '', cookie.path ?? '/', cookie.key)
      }
    },
    copy: async (changes = {}) => createBrowser({ ...options, ...changes, jar: await jar.clone() }),
  }
  return browser
}

function forwarded(url: URL, proxy: { client?: string }): Record<string, string> {
  return {
    'x-forwarded-for': proxy.client ?? '203.0.113.10',
    'x-forwarded-proto': url.protocol.slice(0, -1),
    'x-forwarded-host': url.host,
  }
}

function lowerCase<T>(headers: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function withoutUndefined(headers: Record<string, string | undefined>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
}
