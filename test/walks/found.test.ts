import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertPage, onEachStore } from '../flow/person-site.ts'

onEachStore('found by walks, two people in one browser', (testSite) => {
  const site = testSite({
    config: {
      mfa: { enabled: true, methods: ['totp'] },
      policy: {
        rules: [
          { name: 'blocked', when: { groups: ['blocked'] }, deny: true },
          { name: 'off', when: { groups: ['off'] }, secondFactor: 'off' },
        ],
      },
    },
  })

  for (const [group, end] of [
    ['off', 'code'],
    ['blocked', 'error'],
  ] as const) {
    test(`somebody in group ${group} signs in where somebody else is signed in: asked once, then done (walk 162)`, async () => {
      const [first, second] = [await site.person({ groups: ['off'] }), await site.person({ groups: [group] })]
      const browser = site.browser()
      await site.redeem(await site.enter(browser, first))
      let page = await site.enter(browser, second, { prompt: 'login' })
      assertPage(page, 'switch-account', undefined, 200)
      assert.equal(page.visited.length, 2)
      page = await browser.submit(page, { action: 'switch' })
      assert.ok(new URL(`${page.location}`).searchParams.has(end), page.location)
    })
  }

  test('somebody signs in at a page that was open before somebody else did: asked once, then done (walk 5715)', async () => {
    const [first, second] = [await site.person({ groups: ['off'] }), await site.person({ groups: ['off'] })]
    const browser = site.browser()
    const opened = await site.open(browser)
    await site.redeem(await site.enter(browser, first))
    const { username, password } = second
    const asked = await browser.submit(opened, { username, password })
    assertPage(asked, 'switch-account', undefined, 200)
    assert.match(asked.text(), new RegExp(`${first.username}.*${second.username}`))
    const { claims } = await site.redeem(await browser.submit(asked, { action: 'switch' }))
    assert.equal(claims.sub, second.id)
    assert.match(`${(await site.open(browser)).location}`, /[?&]code=/)
  })
})

onEachStore('found by walks, addresses', (testSite) => {
  const rules = [{ name: 'if bound', when: { groups: ['if-bound'] }, secondFactor: 'if-bound' }]
  const site = testSite({
    mail: 'on',
    config: { mfa: { enabled: true, methods: ['email', 'totp'] }, policy: { rules } },
  })
  const changeAddress = ({ id }: { id: string }, email: string | null) =>
    site.gateway.installation.accounts.update(id, { email }, { event: 'user.changed', outcome: 'ok', account: id })

  test('who has lost the address, and nothing else bound, binds an app: no dead end (walk 191)', async () => {
    const person = await site.person()
    const browser = site.browser()
    let page = await site.enter(browser, person)
    page = await browser.submit(page, { method: 'email' })
    await site.redeem(await browser.submit(page, { code: site.mailed(person) }))
    await changeAddress(person, null)
    assert.deepEqual(await site.gateway.installation.bindings.list(person.id), [])
    const next = site.browser()
    page = assertPage(await site.enter(next, person), 'bind-totp', undefined, 200)
    const { claims } = await site.redeem(await next.submit(page, { code: site.appCode(page.text('[data-secret]')) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
  })

  test('another address is not bound until a code sent to it is entered; a bound app stays (walk 191)', async () => {
    const person = await site.person({ groups: ['if-bound'] })
    await site.bindApp(person)
    const browser = site.browser()
    let page = await site.enter(browser, person)
    page = await browser.submit(await browser.submit(page, { action: 'choose' }), { method: 'email' })
    await site.redeem(await browser.submit(page, { code: site.mailed(person) }))
    const types = async () =>
      (await site.gateway.installation.bindings.list(person.id)).map(({ type }) => type).toSorted()
    assert.deepEqual(await types(), ['email', 'totp'])
    await changeAddress(person, `other-${person.email}`)
    assert.deepEqual(await types(), ['totp'])
    assertPage(await site.enter(site.browser(), person), 'verify-totp')
  })
})
