import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import type { AuditEventName, AuditRecord } from '../../src/audit/audit.ts'
import type { Log } from '../../src/kernel/log.ts'
import { randomToken } from '../../src/kernel/secrets.ts'
import { newSecret } from '../../src/mfa/factors/totp/codes.ts'
import { type Answer, exchange } from '../harness/exchange.ts'
import {
  CLIENT,
  type GatewayOptions,
  type Person,
  type RunningGateway,
  type Stores,
  startGateway,
  startStores,
} from '../harness/gateway.ts'
import { type Browser, type BrowserOptions, type BrowserResponse, createBrowser } from '../harness/http-client.ts'
import { needs } from '../harness/needs.ts'
import { freePort } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { codeAt } from '../harness/totp-app.ts'

export type { Person } from '../harness/gateway.ts'
export type { Browser, BrowserResponse } from '../harness/http-client.ts'

export type Kind = 'servers' | 'embedded'

export interface SiteOptions extends Omit<GatewayOptions, 'stores' | 'log'> {
  /** `on` starts a mail server for it. */
  mail?: 'on'
  /** Proxies whose X-Forwarded-* count; default: none. */
  trusted?: readonly string[]
}

/** The running product, with nothing between it and an attacker. */
export interface Site {
  readonly kind: Kind
  readonly gateway: RunningGateway
  readonly issuer: string
  readonly stores: Stores
  readonly smtp: SmtpService
  /** Where it listens, whatever its issuer says. */
  readonly port: number
  /** What the log has said at level error since the start: nothing an attacker sends may be our fault. */
  readonly faults: readonly string[]
  browser(options?: BrowserOptions): Browser
  person(given?: Parameters<RunningGateway['person']>[0]): Promise<Person>
  /** An app bound as if long ago; answers its key. */
  bindApp(person: Person): Promise<string>
  /** The first page of an authorization request. */
  open(browser: Browser, parameters?: Record<string, string>): Promise<BrowserResponse>
  /** The page after the right password. */
  enter(browser: Browser, person: Person, parameters?: Record<string, string>): Promise<BrowserResponse>
  /** Somebody who needs the code of an app now. */
  asked(given?: { browser?: Browser }): Promise<Asked>
  /** What the app of this key shows now. */
  code(secret: string, steps?: number): string
  /** A whole sign-in of somebody new, with a code of an app. */
  signedIn(given?: { browser?: Browser }): Promise<Asked & { end: BrowserResponse }>
  /** One request as it is: no cookies, no redirects. */
  send(
    method: string,
    path: string,
    given?: { headers?: Record<string, string>; body?: string | Buffer },
  ): Promise<Answer>
  events(...names: AuditEventName[]): Promise<AuditRecord[]>
}

export interface Asked {
  person: Person
  secret: string
  browser: Browser
  page: BrowserResponse
}

/** RFC 7636, appendix B: the pair of every request made here. */
export const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
export const REDIRECT = CLIENT.redirect_uris[0]
export const REQUEST = {
  client_id: CLIENT.client_id,
  redirect_uri: REDIRECT,
  response_type: 'code',
  scope: 'openid',
  state: 'state-of-a-relying-party',
  nonce: 'nonce-of-a-relying-party',
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
} as const
export const FORM = 'application/x-www-form-urlencoded'
/** For the token endpoint and its siblings. */
export const CREDENTIALS = { client_id: CLIENT.client_id, client_secret: CLIENT.client_secret } as const

/** None of the tests is about them unless it says so. */
const WIDE = {
  interactionsPerAddress: 1_000_000,
  passwordFailuresPerAddress: 100_000,
  accountsPerAddress: 100_000,
  clientAuthPerMinute: 10_000,
}

/** The suite on Redis with PostgreSQL, or on the kinds given; `site` opens a gateway for the suite it is called in. */
export function onServers(title: string, suite: (site: (options?: SiteOptions) => Site) => void): void {
  onStores(['servers'], title, suite)
}

export function onStores(
  kinds: readonly Kind[],
  title: string,
  suite: (site: (options?: SiteOptions) => Site) => void,
): void {
  for (const kind of kinds) {
    const skip = kind === 'servers' ? needs('redis-server', 'postgres') : false
    describe(`${title}: ${kind}`, { skip }, () => {
      let stores: Stores
      before(async () => {
        stores = await startStores(kind)
      })
      after(() => stores?.stop())
      suite((options = {}) => siteOn(kind, () => stores, options))
    })
  }
}

/** The address of an authorization request. */
export function requestOf(issuer: string, parameters: Record<string, string> = {}): string {
  return `${issuer}/auth?${new URLSearchParams({ ...REQUEST, ...parameters })}`
}

function siteOn(kind: Kind, stores: () => Stores, options: SiteOptions): Site {
  const faults: string[] = []
  let gateway: RunningGateway
  let smtp: SmtpService | undefined
  before(async () => {
    if (options.mail === 'on') smtp = await startSmtp()
    const { limits, ...config } = options.config ?? {}
    const { mail: _, trusted = [], ...given } = options
    const port = options.port ?? (await freePort())
    gateway = await startGateway({
      ...given,
      port,
      stores: stores(),
      log: listener(faults),
      config: {
        listen: { port, trustedProxies: trusted },
        ...(smtp !== undefined && { mail: { smtp: smtp.url, from: 'Example <id@example.test>' } }),
        limits: { ...WIDE, ...(limits as object) },
        ...config,
      },
    })
  })
  after(async () => {
    await gateway?.stop()
    await smtp?.stop()
  })

  const site: Site = {
    kind,
    faults,
    get gateway() {
      return gateway
    },
    get issuer() {
      return gateway.issuer
    },
    get stores() {
      return stores()
    },
    get smtp() {
      if (smtp === undefined) throw new Error('this site has no mail server')
      return smtp
    },
    get port() {
      return gateway.site.config.listen.port
    },
    browser: (given = {}) => createBrowser({ origin: gateway.issuer, ...given }),
    person: (given) => gateway.person(given),
    async bindApp({ id }) {
      const secret = newSecret()
      const record = { secret, digits: 6, period: 30_000, lastStep: 0 }
      const binding = { id: randomToken(16), accountId: id, type: 'totp', label: undefined, record, boundAt: 0 }
      const audit = { event: 'factor.added', outcome: 'ok', account: id } as const
      assert.equal(await gateway.site.bindings.insert(binding, { maxOfType: 5, audit }), true)
      return secret
    },
    open: (browser, parameters) => browser.get(requestOf(gateway.issuer, parameters)),
    async enter(browser, person, parameters) {
      const page = await site.open(browser, parameters)
      assert.equal(page.page, 'login', seen(page))
      return browser.submit(page, { username: person.username, password: person.password })
    },
    async asked({ browser = site.browser() } = {}) {
      const person = await site.person()
      const secret = await site.bindApp(person)
      const page = await site.enter(browser, person)
      assert.equal(page.page, 'verify-totp', seen(page))
      return { person, secret, browser, page }
    },
    code: (secret, steps = 0) => codeAt(secret, gateway.clock.now() + steps * 30_000),
    async signedIn(given) {
      const asked = await site.asked(given)
      const end = await asked.browser.submit(asked.page, { code: site.code(asked.secret) })
      assertSignedIn(end)
      return { ...asked, end }
    },
    send: (method, path, given = {}) =>
      exchange({ method, url: `${gateway.issuer}${path}`, connect: { port: site.port }, ...given }),
    async events(...names) {
      await gateway.site.trail.flush()
      const all = await gateway.site.audit.list({})
      return all.filter(({ event }) => names.includes(event))
    },
  }
  return site
}

/** Keeps what is an error; the rest of the log is nobody's business here. */
function listener(faults: string[]): Log {
  return {
    debug() {},
    info() {},
    warn() {},
    error(message, { error, ...details } = {}) {
      faults.push(`${message} ${JSON.stringify(details)} ${error instanceof Error ? error.stack : ''}`)
    },
  }
}

/** An answer in one line, for messages of assertions. */
export function seen({ status, page, error, location, url }: BrowserResponse): string {
  return [status, page, error, location ?? url].filter((part) => part !== undefined).join(' ')
}

export function assertPage(response: BrowserResponse, page: string, error?: string, status?: number): BrowserResponse {
  assert.equal(response.page, page, seen(response))
  assert.equal(response.error, error, seen(response))
  if (status !== undefined) assert.equal(response.status, status, seen(response))
  assert.equal(response.location, undefined, seen(response))
  return response
}

export function isSignedIn({ location }: BrowserResponse): boolean {
  return location?.startsWith(`${REDIRECT}?code=`) === true
}

export function assertSignedIn(response: BrowserResponse): void {
  assert.ok(isSignedIn(response), `${seen(response)} ${response.text()}`)
}

/** The code of an authorization response. */
export function codeIn(response: BrowserResponse): string {
  assertSignedIn(response)
  return new URL(`${response.location}`).searchParams.get('code') ?? ''
}
