import assert from 'node:assert/strict'
import type { Account } from '../../src/accounts/account.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { assertPage, type BrowserResponse, type TestSite } from './person-site.ts'

export const WRONG = 'ABCD-EFGH-IJKL-MNOP'

export async function accountOf(site: TestSite, { id }: Person): Promise<Account> {
  return (await site.gateway.installation.accounts.find(id)) ?? assert.fail(`no account ${id}`)
}

/** A new set of codes. */
export async function renew(site: TestSite, person: Person): Promise<string[]> {
  return site.gateway.installation.recoveryCodes.renew(await accountOf(site, person), {
    ip: '192.0.2.1',
    browser: 'Browser',
  })
}

/** A code that an administrator gives out. */
export async function giveOut(site: TestSite, person: Person, ttl = 30 * 60_000): Promise<string> {
  const account = await accountOf(site, person)
  const audit = { event: 'bypass.issued', outcome: 'ok', account: person.id, details: { reason: 'lost' } } as const
  return (await site.gateway.installation.bypassCodes.issue(account, { ttl, audit })).code
}

/** Somebody with an app and a set of codes. */
export async function prepared(site: TestSite): Promise<{ person: Person; secret: string; codes: string[] }> {
  const person = await site.person()
  return { person, secret: await site.bindApp(person), codes: await renew(site, person) }
}

/** From the page of the app, by the choice, to the page on which a recovery code is typed. */
export async function toRecovery(browser: Browser, page: BrowserResponse): Promise<BrowserResponse> {
  const choice = assertPage(await browser.submit(page, { action: 'choose' }), 'choose', undefined, 200)
  const { hidden } = choice.form ?? assert.fail('a choice without a form')
  const picked = await browser.post(choice.url, { ...hidden, method: 'recovery' }, { from: choice.url })
  return assertPage(picked, 'verify-recovery', undefined, 200)
}

export async function asked(site: TestSite, person: Person): Promise<{ browser: Browser; page: BrowserResponse }> {
  const browser = site.browser()
  return { browser, page: await toRecovery(browser, assertPage(await site.enter(browser, person), 'verify-totp')) }
}

export async function eventsOf(site: TestSite, { id }: Person): Promise<string[]> {
  await site.gateway.installation.trail.flush()
  return (await site.gateway.installation.audit.list({ account: id })).map(({ event }) => event)
}
