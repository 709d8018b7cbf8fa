import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import type { Browser, BrowserResponse } from '../harness/http-client.ts'
import type { Tokens } from '../harness/remote-party.ts'
import { type OpenedFixture, openFixture } from '../harness/state-fixture.ts'
import { onKinds, STORES_KINDS } from '../harness/stores.ts'

/**
 * The same suite on a fixture's embedded stores and on its servers; `here` is opened before the first test, and they go
 * on from each other.
 */
export function onFixture(commit: string, title: string, suite: (here: () => OpenedFixture) => void): void {
  onKinds(STORES_KINDS, `${title} (${commit})`, (kind) => {
    let opened: OpenedFixture | undefined
    before(async () => {
      opened = await openFixture(commit, kind)
    })
    after(() => opened?.stop())
    suite(() => opened ?? assert.fail('the fixture did not open'))
  })
}

/** The first page of a request of a relying party. */
export function ask(
  here: OpenedFixture,
  browser: Browser,
  request: { client?: string; parameters?: Record<string, string> } = {},
): Promise<BrowserResponse> {
  const { client = 'app', parameters } = request
  return browser.get(here.party.authorization(here.client(client), parameters))
}

/** The page after the right password. */
export async function enter(
  here: OpenedFixture,
  browser: Browser,
  name: string,
  request: { parameters?: Record<string, string> } = {},
): Promise<BrowserResponse> {
  const login = await ask(here, browser, request)
  assert.equal(login.page, 'login', login.text())
  const { username, password } = here.facts.people[name] ?? assert.fail(name)
  return browser.submit(login, { username, password })
}

/** The tokens at the end of a sign-in. */
export function redeemed(here: OpenedFixture, end: BrowserResponse, client = 'app'): Promise<Tokens> {
  assert.match(`${end.location}`, /[?&]code=/, `${end.status} ${end.page} ${end.error}: ${end.text()}`)
  return here.party.redeem(here.client(client), end.location)
}

export async function claimsOf(here: OpenedFixture, end: BrowserResponse, client = 'app') {
  const { id_token } = await redeemed(here, end, client)
  return here.party.claims(here.client(client), id_token)
}

/** From the page that asks for an app's code to the one that takes a recovery code. */
export async function toRecovery(browser: Browser, page: BrowserResponse): Promise<BrowserResponse> {
  const choice = await browser.submit(page, { action: 'choose' })
  assert.equal(choice.page, 'choose', choice.text())
  const typed = await browser.submit(choice, { method: 'recovery' })
  assert.equal(typed.page, 'verify-recovery', typed.text())
  return typed
}
