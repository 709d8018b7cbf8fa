import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import type { SignIn } from '../harness/relying-party.ts'
import { assertPage, type TestSite, type TestSiteOptions } from '../harness/site.ts'
import { onSites, type SiteSuite } from '../harness/site-suites.ts'
import { STORES_KINDS } from '../harness/stores.ts'

export type { BrowserResponse } from '../harness/http-client.ts'
export { assertPage, newAddress, type TestSite, type TestSiteOptions } from '../harness/site.ts'

/** One relying party, and a limit by address that does not get in the way. */
const USUAL: TestSiteOptions = {
  parties: { rp: {} },
  addresses: 'own',
  limits: { passwordFailuresPerAddress: 10_000 },
}

/** The same suite on both kinds of stores. */
export function onEachStore(title: string, suite: SiteSuite): void {
  onSites(STORES_KINDS, title, suite, USUAL)
}

/** For promises that no store keeps. */
export function onEmbeddedStores(title: string, suite: SiteSuite): void {
  onSites(['embedded'], title, suite, USUAL)
}

/** Whole sign-in with a mailed code. */
export async function signInByMail(
  site: TestSite,
  browser: Browser,
  person: Person,
  given: { remember?: 'on' } = {},
): Promise<SignIn> {
  const page = assertPage(await site.enter(browser, person), 'verify-email')
  return site.redeem(await browser.submit(page, { code: site.mailed(person), ...given }))
}

/** Digits that are not this code. */
export function otherCode(code: string): string {
  return `${(Number(code) + 1) % 10 ** code.length}`.padStart(code.length, '0')
}
