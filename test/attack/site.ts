import assert from 'node:assert/strict'
import { CLIENT, type Person } from '../harness/gateway.ts'
import type { Browser, BrowserResponse } from '../harness/http-client.ts'
import { assertPage, seen, type TestSite, type TestSiteOptions } from '../harness/site.ts'
import { onSites, type SiteSuite } from '../harness/site-suites.ts'
import type { StoresKind } from '../harness/stores.ts'

export type { Person } from '../harness/gateway.ts'
export type { Browser, BrowserResponse } from '../harness/http-client.ts'
export { REQUEST, requestOf, VERIFIER } from '../harness/requests.ts'
export { assertPage, seen, type TestSite, type TestSiteOptions } from '../harness/site.ts'

/** Somebody who needs the code of an app now. */
export interface Asked {
  person: Person
  secret: string
  browser: Browser
  page: BrowserResponse
}

export const REDIRECT = CLIENT.redirect_uris[0]
export const FORM = 'application/x-www-form-urlencoded'
/** For the token endpoint and its siblings. */
export const CREDENTIALS = { client_id: CLIENT.client_id, client_secret: CLIENT.client_secret } as const

/**
 * Nothing stands between the product and an attacker, and none of the tests is about these limits unless it says so.
 */
const USUAL: TestSiteOptions = {
  limits: {
    interactionsPerAddress: 1_000_000,
    passwordFailuresPerAddress: 100_000,
    accountsPerAddress: 100_000,
    clientAuthPerMinute: 10_000,
  },
}

/** The suite on Redis with PostgreSQL. */
export function onServers(title: string, suite: SiteSuite): void {
  onStores(['servers'], title, suite)
}

export function onStores(kinds: readonly StoresKind[], title: string, suite: SiteSuite): void {
  onSites(kinds, title, suite, USUAL)
}

export async function somebodyAsked(site: TestSite, { browser = site.browser() } = {}): Promise<Asked> {
  const person = await site.person()
  const secret = await site.bindApp(person)
  const page = assertPage(await site.enter(browser, person), 'verify-totp')
  return { person, secret, browser, page }
}

/** A whole sign-in of somebody new, with a code of an app. */
export async function somebodySignedIn(
  site: TestSite,
  given?: { browser?: Browser },
): Promise<Asked & { end: BrowserResponse }> {
  const asked = await somebodyAsked(site, given)
  const end = await asked.browser.submit(asked.page, { code: site.appCode(asked.secret) })
  assertSignedIn(end)
  return { ...asked, end }
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
