import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { pageOf, press } from './account-site.ts'
import { assertPage, type BrowserResponse, onEachStore, type TestSite } from './person-site.ts'
import { giveOut, prepared, toRecovery } from './recovery-site.ts'

/** Whoever has lost the phone, on the way to their own page, where a recovery code is typed. */
async function lost(site: TestSite, person: Person): Promise<{ browser: Browser; page: BrowserResponse }> {
  const browser = site.browser()
  const login = assertPage(await browser.get(pageOf(site)), 'login', undefined, 200)
  const asked = await browser.submit(login, { username: person.username, password: person.password })
  return { browser, page: await toRecovery(browser, assertPage(asked, 'verify-totp')) }
}

const idsOf = async (site: TestSite, { id }: Person): Promise<string[]> =>
  (await site.gateway.installation.bindings.list(id)).filter(({ type }) => type === 'totp').map((binding) => binding.id)

async function assertSignsIn(site: TestSite, person: Person, secret: string): Promise<void> {
  site.gateway.clock.advance(MINUTE)
  const browser = site.browser()
  const page = assertPage(await site.enter(browser, person), 'verify-totp')
  await site.redeem(await browser.submit(page, { code: site.appCode(secret) }))
}

onEachStore('a lost phone, to the end', (testSite) => {
  const site = testSite()

  test('with a recovery code: in, another app, away with the lost one (RC-6)', async () => {
    const { person, codes } = await prepared(site)
    const [old = ''] = await idsOf(site, person)
    const { browser, page } = await lost(site, person)
    const home = assertPage(await browser.submit(page, { code: codes[0] ?? '' }), 'account', undefined, 200)
    assertPage(await press(browser, home, { action: 'remove', id: old }), 'account', 'last-factor', 403)
    const bind = assertPage(await press(browser, home, { action: 'add-totp' }), 'bind-totp', undefined, 200)
    const secret = bind.text('[data-secret]')
    const added = assertPage(await browser.submit(bind, { code: site.appCode(secret) }), 'account', undefined, 200)
    assertPage(await press(browser, added, { action: 'remove', id: old }), 'account', undefined, 200)
    assert.equal((await idsOf(site, person)).length, 1)
    await assertSignsIn(site, person, secret)
  })

  test('with a code of an administrator: another app, then the page, away with the lost one (I3)', async () => {
    const { person } = await prepared(site)
    const [old = ''] = await idsOf(site, person)
    const code = await giveOut(site, person)
    const { browser, page } = await lost(site, person)
    const bind = assertPage(await browser.submit(page, { code }), 'bind-totp', undefined, 200)
    const secret = bind.text('[data-secret]')
    const home = assertPage(await browser.submit(bind, { code: site.appCode(secret) }), 'account', undefined, 200)
    assertPage(await press(browser, home, { action: 'remove', id: old }), 'account', undefined, 200)
    assert.equal((await idsOf(site, person)).length, 1)
    await assertSignsIn(site, person, secret)
  })
})
