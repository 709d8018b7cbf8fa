import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testHasher } from '../harness/gateway.ts'
import { assertPage, onEmbeddedStores } from './person-site.ts'

const DETAIL = 'a detail that is nobody’s business'

onEmbeddedStores('a fault that nobody expected', (testSite) => {
  let faults = 0
  const site = testSite({
    hasher: {
      ...testHasher,
      async verify(hash, password) {
        if (faults-- > 0) throw new Error(DETAIL)
        return testHasher.verify(hash, password)
      },
    },
  })

  test('is a page without its reason, leaves no half of a sign-in, and the next try signs in (FA-9, WE-12)', async () => {
    const person = await site.person()
    const secret = await site.bindApp(person)
    const browser = site.browser()
    const login = await site.open(browser)
    faults = 1
    const typed = { username: person.username, password: person.password }
    const fault = assertPage(await browser.submit(login, typed), 'error', 'internal', 500)
    assert.doesNotMatch(fault.body, new RegExp(DETAIL))
    assert.match(fault.text(), /Reference for your administrator: \S+/)
    assertPage(await site.browser().get(`${site.gateway.issuer}/account`), 'login')
    assertPage(await browser.get(`${site.gateway.issuer}/account`), 'login')

    const again = await site.enter(browser, person)
    await site.redeem(await browser.submit(assertPage(again, 'verify-totp'), { code: site.appCode(secret) }))
  })
})
