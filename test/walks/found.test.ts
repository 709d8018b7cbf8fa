import assert from 'node:assert/strict'
import { test } from 'node:test'
import { appCode, assertPage, onEachStore } from '../flow/person-site.ts'

onEachStore('found by walks, two people in one browser', (site) => {
  const here = site({
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
      const [first, second] = [await here.person({ groups: ['off'] }), await here.person({ groups: [group] })]
      const browser = here.browser()
      await here.redeem(await here.enter(browser, first))
      let page = await here.enter(browser, second, { prompt: 'login' })
      assertPage(page, 'switch-account', undefined, 200)
      assert.equal(page.visited.length, 2)
      page = await browser.submit(page, { action: 'switch' })
      assert.ok(new URL(`${page.location}`).searchParams.has(end), page.location)
    })
  }

  test('somebody signs in at a page that was open before somebody else did: asked once, then done (walk 5715)', async () => {
    const [first, second] = [await here.person({ groups: ['off'] }), await here.person({ groups: ['off'] })]
    const browser = here.browser()
    const opened = await here.open(browser)
    await here.redeem(await here.enter(browser, first))
    const { username, password } = second
    const asked = await browser.submit(opened, { username, password })
    assertPage(asked, 'switch-account', undefined, 200)
    assert.match(asked.text(), new RegExp(`${first.username}.*${second.username}`))
    const { claims } = await here.redeem(await browser.submit(asked, { action: 'switch' }))
    assert.equal(claims.sub, second.id)
    assert.match(`${(await here.open(browser)).location}`, /[?&]code=/)
  })
})

onEachStore('found by walks, addresses', (site) => {
  const rules = [{ name: 'if bound', when: { groups: ['if-bound'] }, secondFactor: 'if-bound' }]
  const here = site({ mail: 'on', config: { mfa: { enabled: true, methods: ['email', 'totp'] }, policy: { rules } } })
  const changeAddress = ({ id }: { id: string }, email: string | null) =>
    here.gateway.site.accounts.update(id, { email }, { event: 'user.changed', outcome: 'ok', account: id })

  test('who has lost the address, and nothing else bound, binds an app: no dead end (walk 191)', async () => {
    const person = await here.person()
    const browser = here.browser()
    let page = await here.enter(browser, person)
    page = await browser.submit(page, { method: 'email' })
    await here.redeem(await browser.submit(page, { code: here.mailed(person) }))
    await changeAddress(person, null)
    assert.deepEqual(await here.gateway.site.bindings.list(person.id), [])
    const next = here.browser()
    page = assertPage(await here.enter(next, person), 'bind-totp', undefined, 200)
    const { claims } = await here.redeem(await next.submit(page, { code: appCode(here, page.text('[data-secret]')) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
  })

  test('another address is not bound until a code sent to it is entered; a bound app stays (walk 191)', async () => {
    const person = await here.person({ groups: ['if-bound'] })
    await here.bindApp(person)
    const browser = here.browser()
    let page = await here.enter(browser, person)
    page = await browser.submit(await browser.submit(page, { action: 'choose' }), { method: 'email' })
    await here.redeem(await browser.submit(page, { code: here.mailed(person) }))
    const types = async () => (await here.gateway.site.bindings.list(person.id)).map(({ type }) => type).toSorted()
    assert.deepEqual(await types(), ['email', 'totp'])
    await changeAddress(person, `other-${person.email}`)
    assert.deepEqual(await types(), ['totp'])
    assertPage(await here.enter(here.browser(), person), 'verify-totp')
  })
})
