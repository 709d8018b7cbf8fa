import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CLIENT } from '../harness/gateway.ts'
import { assertPage } from '../harness/site.ts'
import { onSites } from '../harness/site-suites.ts'

onSites(['embedded'], 'sign-in', (testSite) => {
  const site = testSite()

  test('password, then the app is bound, then the relying party gets a code', async () => {
    const [person, browser] = [await site.person(), site.browser()]
    const page = assertPage(await site.enter(browser, person), 'bind-totp')
    const end = await browser.submit(page, { code: site.appCode(page.text('[data-secret]')) })
    assert.match(`${end.location}`, /[?&]code=/)
    assert.ok(`${end.location}`.startsWith(CLIENT.redirect_uris[0]))
  })
})
