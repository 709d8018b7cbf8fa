import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testHasher } from '../harness/gateway.ts'
import { appCode, assertPage, onEmbeddedStores } from './person-site.ts'

const DETAIL = 'a detail that is nobody’s business'

onEmbeddedStores('a fault that nobody expected', (site) => {
  let faults = 0
  const here = site({
    hasher: {
      ...testHasher,
      async verify(hash, password) {
        if (faults-- > 0) throw new Error(DETAIL)
        return testHasher.verify(hash, password)
      },
    },
  })

  test('is a page without its reason, leaves no half of a sign-in, and the next try signs in (FA-9, WE-12)', async () => {
    const person = await here.person()
    const secret = await here.bindApp(person)
    const browser = here.browser()
    const login = await here.open(browser)
    faults = 1
    const typed = { username: person.username, password: person.password }
    const fault = assertPage(await browser.submit(login, typed), 'error', 'internal', 500)
    assert.doesNotMatch(fault.body, new RegExp(DETAIL))
    assert.match(fault.text(), /Reference for your administrator: \S+/)
    assertPage(await here.browser().get(`${here.gateway.issuer}/account`), 'login')
    assertPage(await browser.get(`${here.gateway.issuer}/account`), 'login')

    const again = await here.enter(browser, person)
    await here.redeem(await browser.submit(assertPage(again, 'verify-totp'), { code: appCode(here, secret) }))
  })
})
