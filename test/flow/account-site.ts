import assert from 'node:assert/strict'
import type { Person } from '../harness/gateway.ts'
import type { Browser, Fields, Form } from '../harness/http-client.ts'
import { appCode, assertPage, type BrowserResponse, type Site } from './person-site.ts'

/** Somebody with an app, at their own page. */
export interface Owner {
  person: Person
  secret: string
  browser: Browser
  page: BrowserResponse
}

export const pageOf = (here: Site): string => `${here.gateway.issuer}/account`

/** Signs in at the account page itself, with password and app. */
export async function atHome(here: Site, known?: Pick<Owner, 'person' | 'secret'>): Promise<Owner> {
  const person = known?.person ?? (await here.person())
  const secret = known?.secret ?? (await here.bindApp(person))
  const browser = here.browser()
  const login = assertPage(await browser.get(pageOf(here)), 'login', undefined, 200)
  const asked = await browser.submit(login, { username: person.username, password: person.password })
  assertPage(asked, 'verify-totp', undefined, 200)
  const page = await browser.submit(asked, { code: appCode(here, secret) })
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
  here: Pick<Site, 'smtp'>,
  address: string,
  act: () => Promise<BrowserResponse>,
): Promise<{ page: BrowserResponse; code: string }> {
  const before = here.smtp.codesTo(address)
  const page = await act()
  await here.smtp.waitFor(() => here.smtp.codesTo(address) > before)
  return { page, code: here.smtp.codeFor(address) }
}
