import assert from 'node:assert/strict'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import type { Parameters } from '../harness/relying-party.ts'
import { nameOf } from './person-login.ts'
import { assertPage, type BrowserResponse, signInByMail, type TestSite } from './person-site.ts'

export const MAIL = { enabled: true, methods: ['email'], email: { maxSendsPerHour: 100 } }
export const LIMITS = { mailsPerDay: 200 }

/** Somebody whose browser has just been remembered, and whose session is over. */
export async function remembered(site: TestSite): Promise<{ person: Person; browser: Browser }> {
  const [person, browser] = [await site.person(), site.browser()]
  // The first sign-in binds the mailbox, which is a new factor.
  await signInByMail(site, site.browser(), person)
  await signInByMail(site, browser, person, { remember: 'on' })
  await browser.clear('stepgate-session')
  return { person, browser }
}

async function enterAgain(
  site: TestSite,
  browser: Browser,
  person: Person,
  parameters?: Parameters,
): Promise<BrowserResponse> {
  await browser.clear('stepgate-session')
  return site.enter(browser, person, parameters)
}

export async function assertSpared(site: TestSite, browser: Browser, person: Person): Promise<void> {
  const { claims } = await site.redeem(await enterAgain(site, browser, person))
  assert.equal(claims.acr, 'urn:stepgate:acr:pwd')
  assert.deepEqual(claims.amr, ['pwd'])
}

export async function assertAsked(
  site: TestSite,
  browser: Browser,
  person: Person,
  parameters?: Parameters,
): Promise<BrowserResponse> {
  return assertPage(await enterAgain(site, browser, person, parameters), 'verify-email', undefined, 200)
}

export const deviceCookie = async (site: TestSite, browser: Browser, { id }: Person): Promise<string | undefined> =>
  (await browser.cookies(site.gateway.issuer))[nameOf('device', id)]
