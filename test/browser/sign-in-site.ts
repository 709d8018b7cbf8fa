import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { SECOND } from '../../src/kernel/clock.ts'
import { type Chromium, type ContextOptions, decodeQr, startChromium } from '../harness/browser.ts'
import { type Person, type RunningGateway, type Stores, startGateway, startStores } from '../harness/gateway.ts'
import { type RelyingParty, startRelyingParty } from '../harness/relying-party.ts'
import { freePort } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { codeAt } from '../harness/totp-app.ts'

/** The app's step, and a bit: the next code is another one. */
export const STEP = 30 * SECOND

/** The app's entry, as a phone reads it from the screen. */
export interface Entry {
  secret: string
  issuer: string
  name: string
}

export interface SignInSite {
  readonly gateway: RunningGateway
  readonly rp: RelyingParty
  readonly smtp: SmtpService
  /** Policy asks those of the group for the app, for a mailed code, or for one of both. */
  person(group: 'apps' | 'mails' | 'both'): Promise<Person>
  /** A new browser at an address of its own. */
  browser(options?: ContextOptions): Promise<BrowserContext>
  /** The first page of a new browser. */
  tab(options?: ContextOptions): Promise<Page>
  /** To the relying party's sign-in; `query` goes into its request. */
  start(page: Page, query?: string): Promise<Page>
  /** From the relying party to the page after the password. */
  enter(page: Page, who: Person, query?: string): Promise<Page>
  /** What the relying party was told; asserts that the sign-in has ended there. */
  claimsOf(page: Page): Promise<Record<string, unknown>>
  /** First sign-in with the app; answers its key. */
  bind(page: Page, who: Person): Promise<string>
  /** What the app with this key shows now. */
  shows(secret: string): string
  /** The code in the newest mail. */
  mailed(who: Person): string
}

/** A gateway on Redis and PostgreSQL, a relying party, a mail server and Chromium, for the suite it is called in. */
export function signInSite(): SignInSite {
  let stores: Stores
  let smtp: SmtpService
  let chromium: Chromium
  let gateway: RunningGateway
  let rp: RelyingParty
  let contexts = 0

  before(async () => {
    const port = await freePort()
    ;[stores, smtp, chromium, rp] = await Promise.all([
      startStores('servers'),
      startSmtp(),
      startChromium(),
      startRelyingParty({ issuer: `http://127.0.0.1:${port}`, clockTolerance: 3600 }),
    ])
    gateway = await startGateway({
      stores,
      port,
      config: {
        listen: { port, trustedProxies: ['127.0.0.1'] },
        clients: [{ ...rp.client, client_name: 'Example Intranet' }],
        mail: { smtp: smtp.url, from: 'Example <id@example.test>' },
        mfa: { enabled: true, methods: ['totp', 'email'], enrolment: { guard: 'password' } },
        policy: {
          rules: [
            { name: 'apps', when: { groups: ['apps'] }, methods: ['totp'] },
            { name: 'mails', when: { groups: ['mails'] }, methods: ['email'] },
          ],
        },
        branding: { name: 'Example' },
      },
    })
  })

  after(async () => {
    await chromium?.close()
    await gateway?.stop()
    await Promise.all([rp?.stop(), smtp?.stop(), stores?.stop()])
  })

  const person = (group: 'apps' | 'mails' | 'both'): Promise<Person> => gateway.person({ groups: [group] })
  const shows = (secret: string): string => codeAt(secret, gateway.clock.now())
  const mailed = ({ email }: Person): string => smtp.codeFor(`${email}`)

  async function browser(options: ContextOptions = {}): Promise<BrowserContext> {
    const headers = { 'x-forwarded-for': `198.18.0.${++contexts}`, ...options.headers }
    return chromium.newContext({ ...options, headers })
  }

  async function tab(options: ContextOptions = {}): Promise<Page> {
    return (await browser(options)).newPage()
  }

  async function start(page: Page, query = ''): Promise<Page> {
    await page.goto(`${rp.url}/login${query}`)
    return page
  }

  async function enter(page: Page, who: Person, query = ''): Promise<Page> {
    await at(await start(page, query), 'login')
    await fillIn(page, who)
    return page
  }

  async function claimsOf(page: Page): Promise<Record<string, unknown>> {
    assert.equal(page.url(), `${rp.url}/`, await textOf(page, 'body'))
    return JSON.parse(await textOf(page, '#claims'))
  }

  async function bind(page: Page, who: Person): Promise<string> {
    await at(await enter(page, who), 'bind-totp')
    const { secret } = entryOf(await decodeQr(page))
    await send(page, shows(secret))
    await claimsOf(page)
    return secret
  }

  return {
    get gateway() {
      return gateway
    },
    get rp() {
      return rp
    },
    get smtp() {
      return smtp
    },
    person,
    browser,
    tab,
    start,
    enter,
    claimsOf,
    bind,
    shows,
    mailed,
  }
}

/** Asserts that this page is shown, with that problem or none. */
export async function at(page: Page, name: string, error?: string): Promise<Page> {
  const main = page.locator('main')
  const seen = await main.evaluate(({ dataset }) => `${dataset.page} ${dataset.error}`)
  assert.equal(seen, `${name} ${error}`, await textOf(page, 'main'))
  return page
}

export async function textOf(page: Page, selector: string): Promise<string> {
  return `${await page.locator(selector).textContent()}`.replace(/\s+/g, ' ').trim()
}

export async function fillIn(page: Page, { username, password }: Person): Promise<void> {
  await page.fill('[name=username]', username)
  await page.fill('[name=password]', password)
  await answered(page, () => page.locator('button.primary').click())
}

export async function send(page: Page, code: string): Promise<void> {
  await page.fill('[name=code]', code)
  await answered(page, () => page.locator('button.primary').click())
}

/** Does what sends a form, and waits for the page at the end of its redirects. */
export async function answered(page: Page, act: () => Promise<unknown>): Promise<void> {
  const arrived = page.waitForEvent('framenavigated')
  await Promise.all([arrived, act()])
  await page.waitForLoadState('load')
}

/** Of the key URI that apps read. */
export function entryOf(uri: string): Entry {
  const { protocol, host, pathname, searchParams } = new URL(uri)
  assert.deepEqual([protocol, host], ['otpauth:', 'totp'])
  const secret = searchParams.get('secret') ?? ''
  assert.match(secret, /^[A-Z2-7]{32,}$/)
  return { secret, issuer: searchParams.get('issuer') ?? '', name: decodeURIComponent(pathname.slice(1)) }
}
