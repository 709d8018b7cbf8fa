import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertPage, onEachStore } from '../flow/person-site.ts'

onEachStore('found by walks', (site) => {
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
})
