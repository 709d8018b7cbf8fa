import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as secureRequest } from 'node:https'
import { rootCertificates, setDefaultCACertificates } from 'node:tls'
import type { BrowserContext, Page, Response } from 'playwright-core'
import { type Apache, startApache } from '../harness/apache.ts'
import { type ContextOptions, decodeQr, startChromium } from '../harness/browser.ts'
import type { Person } from '../harness/gateway.ts'
import { freePort } from '../harness/services.ts'
import { createTestSite, type TestSite } from '../harness/site.ts'
import { type StoresKind, startStores } from '../harness/stores.ts'
import { codeAt } from '../harness/totp-app.ts'

/** Where Apache's requests to the gateway come from: of this machine's addresses it alone is trusted. */
export const PROXY = '127.0.0.3'
/** An office whose people are asked for no second factor; nobody in these tests is there. */
export const OFFICE = '198.51.100.7'

/** Policy by group: `mails` proves a code by mail first, `plain` the password alone. Everybody else binds an app. */
const RULES = [
  { name: 'office', when: { networks: [`${OFFICE}/32`] }, secondFactor: 'off' },
  { name: 'mails', when: { groups: ['mails'] }, methods: ['email', 'totp'] },
  { name: 'plain', when: { groups: ['plain'] }, secondFactor: 'off', methods: ['totp'] },
]

/** The clock starts behind, so that it can move to the app's next code without being ahead of the engine's. */
const BEHIND = 120_000
const STEP = 30_000

/** The gateway behind Apache with Apache's own relying party, another one beside it, and a browser. */
export interface ApacheSite extends TestSite {
  readonly apache: Apache
  visit(options?: ContextOptions): Promise<Visit>
}

/** One browser, and what the gateway's public address sent to it. */
export interface Visit {
  readonly page: Page
  /** Cookies that Chromium took from the gateway, whatever their path. */
  cookies(): Promise<{ name: string; secure: boolean; httpOnly: boolean; path: string }[]>
  /** Set-Cookie headers of the gateway, those that clear a cookie apart. */
  offered(): Promise<string[]>
  /** Pages and their parts, with the HSTS header they came with. */
  answers(): Promise<{ what: string; hsts: string | undefined }[]>
  /** Authorization requests that the browser carried. */
  readonly requests: readonly URL[]
}

export async function startApacheSite(
  kind: StoresKind,
  { limits }: { limits?: Record<string, number> } = {},
): Promise<ApacheSite> {
  const port = await freePort()
  const [stores, apache] = await Promise.all([
    startStores(kind),
    startApache({ gatewayPort: port, proxyAddress: PROXY, logLevel: 'warn auth_openidc:debug' }),
  ])
  // Back-channel calls of the gateway, which is this process, meet Apache's certificate.
  setDefaultCACertificates([...rootCertificates, apache.ca])
  const [chromium, site] = await Promise.all([
    startChromium({ trust: apache.trust }),
    createTestSite({
      stores,
      issuer: apache.issuer,
      port,
      mail: 'on',
      trusted: [PROXY],
      behind: BEHIND,
      parties: { other: { ca: apache.ca, backChannel: 'on', clockTolerance: 300 } },
      clients: [{ ...apache.client, client_name: 'Behind Apache' }],
      config: {
        mfa: { enabled: true, methods: ['totp'], enrolment: { guard: 'password' } },
        policy: { rules: RULES },
        ...(limits !== undefined && { limits }),
      },
    }),
  ])
  return {
    ...site,
    apache,
    visit: async (options) => visit(await chromium.newContext(options), apache.issuer),
    async stop() {
      await chromium.close()
      await site.stop()
      await Promise.all([apache.stop(), stores.stop()])
    },
  }
}

/** What the app shows, a step later than the last time. */
export function nextCode({ gateway }: TestSite, secret: string): string {
  gateway.clock.advance(STEP)
  return codeAt(secret, gateway.clock.now())
}

/** What the audit log has of an account, oldest first. */
export async function eventsOf(
  { gateway }: TestSite,
  account: string,
): Promise<{ event: string; ip: string | undefined; client: string | undefined }[]> {
  await gateway.installation.trail.flush()
  const records = await gateway.installation.audit.list({ account })
  return records.map(({ event, ip, client }) => ({ event, ip, client }))
}

async function visit(context: BrowserContext, issuer: string): Promise<Visit> {
  const requests: URL[] = []
  const responses: Response[] = []
  context.on('request', (request) => {
    const url = new URL(request.url())
    if (url.origin === issuer && url.pathname === '/auth') requests.push(url)
  })
  context.on('response', (response) => {
    // Of icons, which it asks for by itself, Chromium tells too little.
    const { origin, pathname } = new URL(response.url())
    if (origin === issuer && !pathname.endsWith('.svg')) responses.push(response)
  })
  const { hostname } = new URL(issuer)
  return {
    page: await context.newPage(),
    requests,
    cookies: async () => (await context.cookies()).filter(({ domain }) => domain === hostname),
    async offered() {
      const headers = (await Promise.all(responses.map((response) => response.headersArray()))).flat()
      const cookies = headers.filter(({ name }) => name.toLowerCase() === 'set-cookie').map(({ value }) => value)
      return cookies.filter((cookie) => !/expires=Thu, 01 Jan 1970/.test(cookie))
    },
    answers: () =>
      Promise.all(
        responses.map(async (response) => {
          const hsts = await response.headerValue('strict-transport-security')
          return { what: `${response.status()} ${response.url()}`, hsts: hsts ?? undefined }
        }),
      ),
  }
}

/** Asserts that this page is shown, with that problem or none. */
export async function at(page: Page, name: string, error?: string): Promise<Page> {
  const main = page.locator('main')
  const seen = await main.evaluate(({ dataset }) => `${dataset.page} ${dataset.error}`)
  assert.equal(seen, `${name} ${error}`, `${page.url()}: ${await main.textContent()}`)
  return page
}

export async function logIn(page: Page, { username, password }: Pick<Person, 'username' | 'password'>): Promise<void> {
  await at(page, 'login')
  await page.fill('[name=username]', username)
  await page.fill('[name=password]', password)
  await answered(page, () => page.locator('button.primary').click())
}

export async function send(page: Page, code: string): Promise<void> {
  await page.fill('[name=code]', code)
  await answered(page, () => page.locator('button.primary').click())
}

/** Scans the QR code on the page, types what the app shows, and answers the app's key. */
export async function bindApp(site: TestSite, page: Page): Promise<string> {
  await at(page, 'bind-totp')
  const secret = new URL(await decodeQr(page)).searchParams.get('secret') ?? ''
  await send(page, nextCode(site, secret))
  return secret
}

/** Does what leads to another page, and waits for the one at the end of its redirects. */
export async function answered(page: Page, act: () => Promise<unknown>): Promise<void> {
  await Promise.all([page.waitForEvent('framenavigated'), act()])
  await page.waitForLoadState('load')
}

/** What the pages of Apache's relying party show of the ID token and userinfo. */
export async function claimsOf(page: Page): Promise<Record<string, string>> {
  return page.evaluate(() =>
    Object.fromEntries([...document.querySelectorAll('dd')].map(({ id, textContent }) => [id, textContent.trim()])),
  )
}

/** A GET from another address of this machine. */
export async function getFrom(
  localAddress: string,
  { url, headers, ca }: { url: string; headers: Record<string, string>; ca?: string },
): Promise<number | undefined> {
  const { protocol, hostname, port, pathname, search } = new URL(url)
  const call = protocol === 'https:' ? secureRequest : plainRequest
  const target = { host: '127.0.0.1', port, path: `${pathname}${search}`, agent: false, localAddress, headers }
  const sent = call({ ...target, ...(protocol === 'https:' && { servername: hostname, ca }) })
  sent.end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}
