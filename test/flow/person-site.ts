import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import type { Hasher } from '../../src/accounts/passwords.ts'
import { randomToken } from '../../src/kernel/secrets.ts'
import { newSecret } from '../../src/mfa/factors/totp/codes.ts'
import { type Person, type RunningGateway, type Stores, startGateway, startStores } from '../harness/gateway.ts'
import { type Browser, type BrowserResponse, createBrowser } from '../harness/http-client.ts'
import { needs } from '../harness/needs.ts'
import {
  type RelyingParty,
  type Parameters as RequestParameters,
  type SignIn,
  startRelyingParty,
} from '../harness/relying-party.ts'
import { freePort } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { codeAt } from '../harness/totp-app.ts'

export type { BrowserResponse } from '../harness/http-client.ts'

export interface SiteOptions {
  /** Keys of the file; `mfa` replaces the default, and `limits` are laid over ones that do not get in the way. */
  config?: Record<string, unknown>
  /** Laid over the relying party's entry. */
  client?: Record<string, unknown>
  /** `on` starts a mail server for it. */
  mail?: 'on'
  latency?: number
  hasher?: Hasher
  /** Milliseconds by which the clock starts behind the engine's, which is real: so far it can go on without ending new sign-ins. */
  behind?: number
}

/** A gateway with one relying party; made before the tests of its suite. */
export interface Site {
  readonly kind: 'servers' | 'embedded'
  readonly gateway: RunningGateway
  readonly rp: RelyingParty
  readonly smtp: SmtpService
  readonly stores: Stores
  person(given?: NewPerson): Promise<Person>
  /** A new browser at an address of its own. */
  browser(given?: { address?: string; language?: string; userAgent?: string }): Browser
  /** The first page of a request of the relying party. */
  open(browser: Browser, parameters?: RequestParameters): Promise<BrowserResponse>
  /** The page after the right password. */
  enter(browser: Browser, person: Person, parameters?: RequestParameters): Promise<BrowserResponse>
  /** The code that the mail server got last for this person. */
  mailed(person: Person): string
  now(): number
  /** Redeems the code at the end of a sign-in. */
  redeem(page: BrowserResponse): Promise<SignIn>
  /** An app bound as if long ago; answers its key. */
  bindApp(person: Person): Promise<string>
  /** Whole sign-in with a mailed code. */
  signInByMail(browser: Browser, person: Person, given?: { remember?: 'on' }): Promise<SignIn>
}

type NewPerson = Parameters<RunningGateway['person']>[0]

/** The same suite on both kinds of stores; `site` opens a gateway for the suite it is called in. */
export function onEachStore(title: string, suite: (site: (options?: SiteOptions) => Site) => void): void {
  for (const kind of ['embedded', 'servers'] as const) onStore(kind, title, suite)
}

/** For promises that no store keeps. */
export function onEmbeddedStores(title: string, suite: (site: (options?: SiteOptions) => Site) => void): void {
  onStore('embedded', title, suite)
}

function onStore(kind: Site['kind'], title: string, suite: (site: (options?: SiteOptions) => Site) => void): void {
  const skip = kind === 'servers' ? needs('redis-server', 'postgres') : false
  describe(`${title}: ${kind}`, { skip }, () => {
    let stores: Stores
    before(async () => {
      stores = await startStores(kind)
    })
    after(() => stores.stop())
    suite((options = {}) => siteOn(kind, () => stores, options))
  })
}

let addresses = 0

/** One of the documentation networks, so that limits by address do not meet. */
export function newAddress(): string {
  addresses++
  return `198.18.${addresses >> 8}.${addresses & 255}`
}

function siteOn(kind: Site['kind'], stores: () => Stores, options: SiteOptions): Site {
  let gateway: RunningGateway
  let rp: RelyingParty
  let smtp: SmtpService | undefined
  async function open(): Promise<void> {
    const port = await freePort()
    rp = await startRelyingParty({ issuer: `http://127.0.0.1:${port}` })
    if (options.mail === 'on') smtp = await startSmtp()
    const { limits, ...config } = options.config ?? {}
    gateway = await startGateway({
      stores: stores(),
      port,
      config: {
        listen: { port, trustedProxies: ['127.0.0.1'] },
        clients: [{ ...rp.client, ...options.client }],
        ...(smtp !== undefined && { mail: { smtp: smtp.url, from: 'Example <id@example.test>' } }),
        limits: { passwordFailuresPerAddress: 10_000, ...(limits as object) },
        ...config,
      },
      ...(options.latency !== undefined && { latency: options.latency }),
      ...(options.hasher !== undefined && { hasher: options.hasher }),
    })
    gateway.clock.advance(-(options.behind ?? 0))
  }
  before(async () => {
    // Somebody else may take the port before the gateway does.
    for (let attempt = 1; gateway === undefined; attempt++) {
      try {
        await open()
      } catch (error) {
        await Promise.all([rp?.stop(), smtp?.stop()])
        if (attempt === 3) throw error
      }
    }
  })
  after(async () => {
    await gateway?.stop()
    await Promise.all([rp?.stop(), smtp?.stop()])
  })

  const site: Site = {
    kind,
    get gateway() {
      return gateway
    },
    get rp() {
      return rp
    },
    get stores() {
      return stores()
    },
    get smtp() {
      if (smtp === undefined) throw new Error('this site has no mail server')
      return smtp
    },
    person: (given) => gateway.person(given),
    browser({ address = newAddress(), language, userAgent } = {}) {
      const headers = {
        'x-forwarded-for': address,
        ...(language !== undefined && { 'accept-language': language }),
        ...(userAgent !== undefined && { 'user-agent': userAgent }),
      }
      return createBrowser({ origin: gateway.issuer, headers })
    },
    open: async (browser, parameters) => browser.get(await rp.authorize(parameters)),
    async enter(browser, person, parameters) {
      const page = await site.open(browser, parameters)
      assert.equal(page.page, 'login', page.text())
      return browser.submit(page, { username: person.username, password: person.password })
    },
    mailed: (person) => site.smtp.codeFor(`${person.email}`),
    now: () => gateway.clock.now(),
    redeem(page) {
      assert.match(`${page.location}`, /[?&]code=/, `${page.status} ${page.page} ${page.error}`)
      return rp.callback(`${page.location}`)
    },
    async bindApp({ id }) {
      const secret = newSecret()
      const record = { secret, digits: 6, period: 30_000, lastStep: 0 }
      const binding = { id: randomToken(16), accountId: id, type: 'totp', label: undefined, record, boundAt: 0 }
      const audit = { event: 'factor.added', outcome: 'ok', account: id } as const
      assert.equal(await gateway.site.bindings.insert(binding, { maxOfType: 5, audit }), true)
      return secret
    },
    async signInByMail(browser, person, given = {}) {
      const page = await site.enter(browser, person)
      assert.equal(page.page, 'verify-email', page.text())
      return site.redeem(await browser.submit(page, { code: site.mailed(person), ...given }))
    },
  }
  return site
}

/** Digits that are not this code. */
export function otherCode(code: string): string {
  return `${(Number(code) + 1) % 10 ** code.length}`.padStart(code.length, '0')
}

/** What the app of this key shows now. */
export function appCode(site: Site, secret: string, steps = 0): string {
  return codeAt(secret, site.now() + steps * 30_000)
}

/** Asserts that this is that page with that problem, none when undefined; answers it. */
export function assertPage(response: BrowserResponse, page: string, error?: string, status?: number): BrowserResponse {
  const seen = `${response.status} ${response.page} ${response.error} ${response.location ?? ''}`
  assert.equal(response.page, page, seen)
  assert.equal(response.error, error, seen)
  if (status !== undefined) assert.equal(response.status, status, seen)
  return response
}
