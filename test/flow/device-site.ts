import assert from 'node:assert/strict'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import type { Parameters } from '../harness/relying-party.ts'
import { nameOf } from './person-login.ts'
import { assertPage, type BrowserResponse, type Site } from './person-site.ts'

export const MAIL = { enabled: true, methods: ['email'], email: { maxSendsPerHour: 100 } }
export const LIMITS = { mailsPerDay: 200 }

/** Somebody whose browser has just been remembered, and whose session is over. */
export async function remembered(here: Site): Promise<{ person: Person; browser: Browser }> {
  const [person, browser] = [await here.person(), here.browser()]
  // The first sign-in binds the mailbox, which is a new factor.
  await here.signInByMail(here.browser(), person)
  await here.signInByMail(browser, person, { remember: 'on' })
  await browser.clear('stepgate-session')
  return { person, browser }
}

async function enterAgain(
  here: Site,
  browser: Browser,
  person: Person,
  parameters?: Parameters,
): Promise<BrowserResponse> {
  await browser.clear('stepgate-session')
  return here.enter(browser, person, parameters)
}

export async function assertSpared(here: Site, browser: Browser, person: Person): Promise<void> {
  const { claims } = await here.redeem(await enterAgain(here, browser, person))
  assert.equal(claims.acr, 'urn:stepgate:acr:pwd')
  assert.deepEqual(claims.amr, ['pwd'])
}

export async function assertAsked(
  here: Site,
  browser: Browser,
  person: Person,
  parameters?: Parameters,
): Promise<BrowserResponse> {
  return assertPage(await enterAgain(here, browser, person, parameters), 'verify-email', undefined, 200)
}

export const deviceCookie = async (here: Site, browser: Browser, { id }: Person): Promise<string | undefined> =>
  (await browser.cookies(here.gateway.issuer))[nameOf('device', id)]
