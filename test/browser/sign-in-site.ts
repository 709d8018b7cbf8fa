import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { SECOND } from '../../src/kernel/clock.ts'
import { type Chromium, type ContextOptions, decodeQr, startChromium } from '../harness/browser.ts'
import type { Person } from '../harness/gateway.ts'
import { createTestSite, newAddress, type TestSite, type TestSiteOptions } from '../harness/site.ts'
import { siteForSuite } from '../harness/site-suites.ts'
import { type Stores, startStores } from '../harness/stores.ts'

/** The app's step, and a bit: the next code is another one. */
export const STEP = 30 * SECOND

/** The app's entry, as a phone reads it from the screen. */
export interface Entry {
  secret: string
  issuer: string
  name: string
}

/**
 * A site with a browser. What is here does not read the site before it has started, so that a suite can take it apart
 * at once.
 */
export interface SignInSite {
  readonly site: TestSite
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
  let chromium: Chromium
  before(async () => {
    ;[stores, chromium] = await Promise.all([startStores('servers'), startChromium()])
  })
  const site = siteForSuite(() => createTestSite({ stores, ...OPTIONS }))
  after(async () => {
    await chromium?.close()
    await stores?.stop()
  })

  async function browser(options: ContextOptions = {}): Promise<BrowserContext> {
    const headers = { 'x-forwarded-for': newAddress(), ...options.headers }
    return chromium.newContext({ ...options, headers })
  }

  async function tab(options: ContextOptions = {}): Promise<Page> {
    return (await browser(options)).newPage()
  }

  async function start(page: Page, query = ''): Promise<Page> {
    await page.goto(`${site.party().url}/login${query}`)
    return page
  }

  async function enter(page: Page, who: Person, query = ''): Promise<Page> {
    await at(await start(page, query), 'login')
    await fillIn(page, who)
    return page
  }

  async function claimsOf(page: Page): Promise<Record<string, unknown>> {
    assert.equal(page.url(), `${site.party().url}/`, await textOf(page, 'body'))
    return JSON.parse(await textOf(page, '#claims'))
  }

  async function bind(page: Page, who: Person): Promise<string> {
    await at(await enter(page, who), 'bind-totp')
    const { secret } = entryOf(await decodeQr(page))
    await send(page, site.appCode(secret))
    await claimsOf(page)
    return secret
  }

  return {
    site,
    person: (group) => site.person({ groups: [group] }),
    browser,
    tab,
    start,
    enter,
    claimsOf,
    bind,
    shows: (secret) => site.appCode(secret),
    mailed: (who) => site.mailed(who),
  }
}

const OPTIONS: TestSiteOptions = {
  parties: { rp: { clockTolerance: 3600 } },
  client: { client_name: 'Example Intranet' },
  addresses: 'own',
  mail: 'on',
  config: {
    mfa: { enabled: true, methods: ['totp', 'email'], enrolment: { guard: 'password' } },
    policy: {
      rules: [
        { name: 'apps', when: { groups: ['apps'] }, methods: ['totp'] },
        { name: 'mails', when: { groups: ['mails'] }, methods: ['email'] },
      ],
    },
    branding: { name: 'Example' },
  },
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
