import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { asked } from './person-app.ts'
import { assertPage, type BrowserResponse, onEachStore } from './person-site.ts'

/** Milliseconds between two clicks: while the first form is judged, taken, kept, finished. */
const GAPS = [4, 20, 40]
/** Later, the answer to the first form may be there before the second is sent. */
const EARLY = [4, 10]
/** One digit short. */
const WRONG = '00000'

/** What a browser shows that has sent a form twice: it drops the answer to the first, cookies included. */
async function doubleClick(
  browser: Browser,
  page: BrowserResponse,
  given: { fields: Record<string, string>; gap: number },
): Promise<BrowserResponse> {
  const dropped = await browser.copy()
  const first = dropped.submit(page, given.fields, { redirects: 'stop' })
  await pause(given.gap)
  const [second] = await Promise.all([browser.submit(page, given.fields), first])
  return second
}

const typed = ({ username, password }: Person) => ({ username, password })

onEachStore('a form sent twice by a double click', (testSite) => {
  describe('a code of an app', () => {
    const site = testSite({ latency: 5, config: { mfa: { enabled: true, methods: ['totp'], rememberDays: 30 } } })

    test('the application is reached', async () => {
      for (const gap of GAPS) {
        const { browser, page, secret } = await asked(site)
        await site.redeem(await doubleClick(browser, page, { fields: { code: site.appCode(secret) }, gap }))
      }
    })

    test('that was the last try: it is not told that there are no tries left', async () => {
      const { browser, page, secret } = await asked(site)
      for (let wrong = 0; wrong < 4; wrong++) {
        assertPage(await browser.submit(page, { code: WRONG }), 'verify-totp', 'code', 401)
      }
      await site.redeem(await doubleClick(browser, page, { fields: { code: site.appCode(secret) }, gap: 12 }))
    })

    test('that is wrong: told so', async () => {
      const { browser, page } = await asked(site)
      assertPage(await doubleClick(browser, page, { fields: { code: WRONG }, gap: 4 }), 'verify-totp', 'code', 401)
    })

    test('with the box ticked: the browser is remembered, and known', async () => {
      for (const gap of EARLY) {
        const { browser, page, secret } = await asked(site)
        const fields = { code: site.appCode(secret), remember: 'on' }
        await site.redeem(await doubleClick(browser, page, { fields, gap }))
        const names = Object.keys(await browser.cookies(site.gateway.issuer)).join(' ')
        assert.match(names, /stepgate-device-/)
        assert.match(names, /stepgate-known-/)
      }
    })

    test('ten times, with the box ticked: no cookie is set twice in an answer', async () => {
      const { browser, page, secret } = await asked(site)
      const fields = { code: site.appCode(secret), remember: 'on' }
      const clicks = Array.from({ length: 10 }, () => browser.submit(page, fields, { redirects: 'stop' }))
      for (const { headers } of await Promise.all(clicks)) {
        const names = [headers['set-cookie'] ?? []].flat().map((line) => line.split('=', 1)[0])
        assert.equal(new Set(names).size, names.length, names.join(' '))
      }
    })

    test('after a sign-out everywhere: told that what was proved is over', async () => {
      const { person, browser, page, secret } = await asked(site)
      await site.gateway.installation.accounts.endEverything(person.id, { event: 'session.ended', outcome: 'ok' })
      const over = await doubleClick(browser, page, { fields: { code: site.appCode(secret) }, gap: 4 })
      assertPage(over, 'login', 'expired', 410)
    })
  })

  describe('a code of a mail', () => {
    const site = testSite({ latency: 5, mail: 'on', config: { mfa: { enabled: true, methods: ['email'] } } })

    test('the application is reached', async () => {
      for (const gap of GAPS) {
        const [person, browser] = [await site.person(), site.browser()]
        const page = assertPage(await site.enter(browser, person), 'verify-email')
        await site.redeem(await doubleClick(browser, page, { fields: { code: site.mailed(person) }, gap }))
      }
    })

    test('another one asked for: it is sent once, and the page says so', async () => {
      for (const gap of EARLY) {
        const [person, browser] = [await site.person(), site.browser()]
        const page = assertPage(await site.enter(browser, person), 'verify-email')
        site.gateway.clock.advance(2 * MINUTE)
        const again = await doubleClick(browser, page, { fields: { action: 'resend' }, gap })
        assert.match(assertPage(again, 'verify-email', undefined, 200).text('.notice'), /new code/)
        await site.redeem(await browser.submit(again, { code: site.mailed(person) }))
        site.gateway.clock.advance(-2 * MINUTE)
      }
    })
  })

  describe('a password', () => {
    const site = testSite({ latency: 5 })

    test('that was the last try before a pause: the next page is reached', async () => {
      for (const gap of GAPS) {
        const [person, browser] = [await site.person(), site.browser()]
        const login = await site.open(browser)
        for (let wrong = 0; wrong < 4; wrong++) {
          const refused = await browser.submit(login, { ...typed(person), password: 'wrong' })
          assertPage(refused, 'login', 'credentials', 401)
        }
        assertPage(await doubleClick(browser, login, { fields: typed(person), gap }), 'bind-totp', undefined, 200)
      }
    })
  })

  describe('a postponement', () => {
    const site = testSite({
      latency: 5,
      config: { mfa: { enabled: true, methods: ['totp'], enrolment: { grace: '5 sign-ins' } } },
    })

    test('counts once', async () => {
      for (const gap of GAPS) {
        const [person, browser] = [await site.person(), site.browser()]
        const page = assertPage(await site.enter(browser, person), 'bind-later')
        await site.redeem(await doubleClick(browser, page, { fields: { action: 'later' }, gap }))
        assert.equal((await site.gateway.installation.postponements.find(person.id, null))?.count, 1)
      }
    })
  })
})
