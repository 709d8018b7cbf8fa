import assert from 'node:assert/strict'
import type { Account } from '../../src/accounts/account.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { assertPage, type BrowserResponse, type Site } from './person-site.ts'

export const WRONG = 'ABCD-EFGH-IJKL-MNOP'

export async function accountOf(here: Site, { id }: Person): Promise<Account> {
  return (await here.gateway.site.accounts.find(id)) ?? assert.fail(`no account ${id}`)
}

/** A new set of codes. */
export async function renew(here: Site, person: Person): Promise<string[]> {
  return here.gateway.site.recoveryCodes.renew(await accountOf(here, person), { ip: '192.0.2.1', browser: 'Browser' })
}

/** A code that an administrator gives out. */
export async function giveOut(here: Site, person: Person, ttl = 30 * 60_000): Promise<string> {
  const account = await accountOf(here, person)
  const audit = { event: 'bypass.issued', outcome: 'ok', account: person.id, details: { reason: 'lost' } } as const
  return (await here.gateway.site.bypassCodes.issue(account, { ttl, audit })).code
}

/** Somebody with an app and a set of codes. */
export async function prepared(here: Site): Promise<{ person: Person; secret: string; codes: string[] }> {
  const person = await here.person()
  return { person, secret: await here.bindApp(person), codes: await renew(here, person) }
}

/** From the page of the app, by the choice, to the page on which a recovery code is typed. */
export async function toRecovery(browser: Browser, page: BrowserResponse): Promise<BrowserResponse> {
  const choice = assertPage(await browser.submit(page, { action: 'choose' }), 'choose', undefined, 200)
  const { hidden } = choice.form ?? assert.fail('a choice without a form')
  const picked = await browser.post(choice.url, { ...hidden, method: 'recovery' }, { from: choice.url })
  return assertPage(picked, 'verify-recovery', undefined, 200)
}

export async function asked(here: Site, person: Person): Promise<{ browser: Browser; page: BrowserResponse }> {
  const browser = here.browser()
  return { browser, page: await toRecovery(browser, assertPage(await here.enter(browser, person), 'verify-totp')) }
}

export async function eventsOf(here: Site, { id }: Person): Promise<string[]> {
  await here.gateway.site.trail.flush()
  return (await here.gateway.site.audit.list({ account: id })).map(({ event }) => event)
}
