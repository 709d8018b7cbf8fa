import { sha256 } from '../../src/kernel/secrets.ts'
import type { Browser, BrowserResponse } from '../harness/http-client.ts'
import type { TestSite } from './person-site.ts'

/** One try on a page of its own, in a browser without any cookies unless one is given. */
export async function attempt(
  site: TestSite,
  given: { username: string; password?: string; address?: string; browser?: Browser },
): Promise<BrowserResponse> {
  const { username, password = 'wrong password', address } = given
  const browser = given.browser ?? site.browser(address === undefined ? {} : { address })
  return browser.submit(await site.open(browser), { username, password })
}

/** The name under which a browser on http keeps something of an account: `known` or `device`. */
export function nameOf(kind: 'known' | 'device', accountId: string): string {
  const short = sha256(accountId).replaceAll(/[^A-Za-z0-9]/g, '')
  return `stepgate-${kind}-${short.slice(0, 10)}`
}
