import type { APIRequestContext, APIResponse, Page } from 'playwright-core'
import { encode, type Fields, fillIn, formsOf, mainForm } from '../harness/forms.ts'
import type { Person } from '../harness/gateway.ts'
import { parseHtml } from '../harness/html.ts'
import { codeAt } from '../harness/totp-app.ts'
import { CALLBACK, requestOf, type Visit } from './gallery.ts'

export const AUDIT = { event: 'password.changed', outcome: 'ok' } as const

export function now({ gallery }: Visit): number {
  return gallery.gateway.clock.now()
}

/** What is done so much later; then the clock is turned back, for the next visit. */
export async function later(visit: Visit, by: number, act: () => Promise<unknown>): Promise<void> {
  const { clock } = visit.gallery.gateway
  clock.advance(by)
  await act().finally(() => clock.advance(-by))
}

export async function open(visit: Visit, parameters?: Record<string, string>): Promise<void> {
  await visit.page.goto(requestOf(visit.gallery.gateway.issuer, parameters))
}

/** Fills in the login page and waits for the page that follows. */
export async function enter(
  { page }: Visit,
  { username, password }: Pick<Person, 'username' | 'password'>,
): Promise<void> {
  await page.fill('[name=username]', username)
  await page.fill('[name=password]', password)
  await sent(page, () => page.locator('button.primary').click())
}

export async function type({ page }: Visit, code: string): Promise<void> {
  await page.fill('[name=code]', code)
  await sent(page, () => page.locator('button.primary').click())
}

export async function resend({ page }: Visit): Promise<void> {
  await page.reload()
  await sent(page, () => page.locator('button[value=resend]').click())
}

export async function sent(page: Page, act: () => Promise<void>): Promise<void> {
  const answered = page.waitForResponse((response) => response.request().method() === 'POST')
  await Promise.all([answered, act()])
  await page.waitForLoadState('load')
}

export function mailed({ gallery }: Visit, person: Person): string {
  return gallery.smtp.codeFor(`${person.email}`)
}

export function wrongOf(visit: Visit, person: Person): string {
  return `${(Number(mailed(visit, person)) + 1) % 1_000_000}`.padStart(6, '0')
}

/** To the page after the password, without drawing the one before. */
async function pass(visit: Visit, person: Person): Promise<void> {
  const asked = await afterPassword(visit, person)
  await visit.page.goto(asked.url())
}

async function afterPassword(visit: Visit, { username, password }: Person): Promise<APIResponse> {
  const { request } = visit.page.context()
  const login = await request.get(requestOf(visit.gallery.gateway.issuer))
  return submit(request, login, { username, password })
}

/** To the page that asks for a mailed code. */
export async function askMail(visit: Visit): Promise<Person> {
  const person = await visit.gallery.person('mails')
  await pass(visit, person)
  return person
}

/** To the page that asks for the app's code. */
export async function askApp(visit: Visit): Promise<{ person: Person; secret: string }> {
  const person = await visit.gallery.person('apps')
  const secret = await visit.gallery.bindApp(person)
  await pass(visit, person)
  return { person, secret }
}

/** To the page that asks for a recovery code, past the choice. */
export async function askRecovery(visit: Visit): Promise<void> {
  const person = await visit.gallery.person('apps')
  await visit.gallery.bindApp(person)
  await visit.gallery.renewCodes(person)
  await pass(visit, person)
  await sent(visit.page, () => visit.page.locator('button[value=choose]').click())
  await sent(visit.page, () => visit.page.locator('button[value=recovery]').click())
}

/** To the page that binds an app, past the mailed code; answers the key. */
export async function bindApp(visit: Visit): Promise<string> {
  const person = await visit.gallery.person('apps')
  await pass(visit, person)
  await type(visit, mailed(visit, person))
  return (await visit.page.locator('[data-secret]').textContent()) ?? ''
}

/** A whole sign-in without drawing its pages, in this browser. */
export async function signIn(visit: Visit, person: Person): Promise<void> {
  const asked = await afterPassword(visit, person)
  await submit(visit.page.context().request, asked, { code: mailed(visit, person) })
}

/** Sends the page's form; answers what its redirects lead to, as far as they stay with the gateway. */
async function submit(request: APIRequestContext, page: APIResponse, fields: Fields): Promise<APIResponse> {
  const html = parseHtml(await page.text())
  const form = mainForm(html, formsOf(html, page.url()))
  if (form === undefined) throw new Error(`no form on ${page.url()}`)
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const data = encode(fillIn(form, fields))
  let answer = await request.post(form.action, { data, headers, maxRedirects: 0 })
  for (;;) {
    const { location } = answer.headers()
    if (location === undefined || location.startsWith(CALLBACK)) return answer
    answer = await request.get(new URL(location, answer.url()).href, { maxRedirects: 0 })
  }
}

/** The account page of somebody who has just signed in. */
export async function goHome(visit: Visit): Promise<void> {
  await signIn(visit, await visit.gallery.known('anna', 'mails'))
  await visit.page.goto(`${visit.gallery.gateway.issuer}/account`)
}

/** The same of somebody with an app; answers its key. */
export async function goHomeWithApp(visit: Visit): Promise<string> {
  const person = await visit.gallery.person('apps')
  const secret = await visit.gallery.bindApp(person)
  await visit.page.goto(`${visit.gallery.gateway.issuer}/account`)
  await enter(visit, person)
  await type(visit, codeAt(secret, now(visit)))
  return secret
}

/** To the page that asks for the code in a new mailbox. */
export async function askNewAddress(visit: Visit, address: string): Promise<void> {
  await goHome(visit)
  await visit.page.locator('#address summary').click()
  await visit.page.fill('#new-address', address)
  await sent(visit.page, () => visit.page.locator('button[value=address]').click())
}

export async function askToSignOut(visit: Visit): Promise<void> {
  await signIn(visit, await visit.gallery.known('anna', 'mails'))
  await visit.page.goto(`${visit.gallery.gateway.issuer}/session/end?client_id=intranet`)
}
