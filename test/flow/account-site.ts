import assert from 'node:assert/strict'
import type { Person } from '../harness/gateway.ts'
import type { Browser, Fields, Form } from '../harness/http-client.ts'
import { assertPage, type BrowserResponse, type TestSite } from './person-site.ts'

/** Somebody with an app, at their own page. */
export interface Owner {
  person: Person
  secret: string
  browser: Browser
  page: BrowserResponse
}

export const pageOf = (site: TestSite): string => `${site.gateway.issuer}/account`

/** Signs in at the account page itself, with password and app. */
export async function atHome(site: TestSite, known?: Pick<Owner, 'person' | 'secret'>): Promise<Owner> {
  const person = known?.person ?? (await site.person())
  const secret = known?.secret ?? (await site.bindApp(person))
  const browser = site.browser()
  const login = assertPage(await browser.get(pageOf(site)), 'login', undefined, 200)
  const asked = await browser.submit(login, { username: person.username, password: person.password })
  assertPage(asked, 'verify-totp', undefined, 200)
  const page = await browser.submit(asked, { code: site.appCode(secret) })
  assertPage(page, 'account', undefined, 200)
  return { person, secret, browser, page }
}

/** The form with this button, and this id where one is given. */
export function formOf(page: BrowserResponse, action: string, id?: string): Form {
  const form = page.forms.find(
    ({ buttons, hidden }) =>
      buttons.some(({ name, value }) => name === 'action' && value === action) &&
      (id === undefined || hidden.id === id),
  )
  assert.ok(form, `no form for ${action} ${id ?? ''} on ${page.page}: ${page.text()}`)
  return form
}

export function press(
  browser: Browser,
  page: BrowserResponse,
  given: { action: string; id?: string; fields?: Fields },
): Promise<BrowserResponse> {
  const form = formOf(page, given.action, given.id)
  return browser.submit(page, { ...given.fields, action: given.action }, { form })
}

/** What stands in a section. */
export const sectionOf = (page: BrowserResponse, name: string): string => page.text(`[data-section=${name}]`)

/** What an act comes to, and the code that it sends to the address: behind the answer. */
export async function codeSent(
  site: Pick<TestSite, 'smtp'>,
  address: string,
  act: () => Promise<BrowserResponse>,
): Promise<{ page: BrowserResponse; code: string }> {
  const before = site.smtp.codesTo(address)
  const page = await act()
  await site.smtp.waitFor(() => site.smtp.codesTo(address) > before)
  return { page, code: site.smtp.codeFor(address) }
}
