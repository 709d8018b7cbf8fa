import assert from 'node:assert/strict'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { assertPage, type BrowserResponse, type TestSite } from './person-site.ts'

/** One digit short: refused and counted like any other wrong code. */
const WRONG = '00000'

/** A person with a bound app, on the page that asks for its code. */
export interface Asked {
  person: Person
  secret: string
  browser: Browser
  page: BrowserResponse
}

export async function asked(site: TestSite, known?: Pick<Asked, 'person' | 'secret'>): Promise<Asked> {
  const person = known?.person ?? (await site.person())
  const secret = known?.secret ?? (await site.bindApp(person))
  const browser = site.browser()
  return { person, secret, browser, page: assertPage(await site.enter(browser, person), 'verify-totp', undefined, 200) }
}

/** Wrong tries that cost nobody the search for a clock that differs. */
export async function guess({ browser, page }: Asked, times: number): Promise<BrowserResponse> {
  let last = page
  for (let time = 0; time < times; time++) {
    last = assertPage(await browser.submit(page, { code: WRONG }), 'verify-totp', 'code', 401)
    assert.equal(last.location, undefined)
  }
  return last
}
