import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOUR, MINUTE } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import { wrongCode } from '../harness/totp-app.ts'
import { asked, guess } from './person-app.ts'
import { assertPage, type BrowserResponse, onEachStore, type TestSite } from './person-site.ts'

/** Events of this person that say a code was judged and found wrong. */
async function judged(site: TestSite, { id }: Person): Promise<number> {
  const { trail, audit } = site.gateway.installation
  await trail.flush()
  const events = await audit.list({ account: id })
  return events.filter(({ event, details }) => event === 'otp.fail' && details?.reason === 'mismatch').length
}

const withoutNonces = (page: BrowserResponse): string =>
  page.body.replaceAll(/name="csrf" value="[^"]*"|\/interaction\/[\w-]+/g, '')

onEachStore('codes of an app', (testSite) => {
  describe('one code', () => {
    const site = testSite({ behind: 5 * HOUR })

    test('a wrong code is refused, the right one still signs in', async () => {
      const one = await asked(site)
      const code = wrongCode(one.secret, site.now())
      const page = assertPage(await one.browser.submit(one.page, { code }), 'verify-totp', 'code', 401)
      await site.redeem(await one.browser.submit(page, { code: site.appCode(one.secret) }))
    })

    test('a used code is refused like a wrong one, in the same words; the next step signs in (TO-4)', async () => {
      const one = await asked(site)
      const code = site.appCode(one.secret)
      await site.redeem(await one.browser.submit(one.page, { code }))
      const two = await asked(site, one)
      const replayed = assertPage(await two.browser.submit(two.page, { code }), 'verify-totp', 'code', 401)
      const wrong = await guess(two, 1)
      assert.equal(withoutNonces(replayed), withoutNonces(wrong))
      await site.redeem(await two.browser.submit(two.page, { code: site.appCode(one.secret, 1) }))
      const three = await asked(site, one)
      assertPage(await three.browser.submit(three.page, { code: site.appCode(one.secret) }), 'verify-totp', 'code', 401)
    })

    test('one step either side, and no farther (TO-3, D4)', async () => {
      for (const steps of [-1, 0, 1]) {
        const one = await asked(site)
        await site.redeem(await one.browser.submit(one.page, { code: site.appCode(one.secret, steps) }))
      }
      for (const steps of [-2, 2]) {
        const one = await asked(site)
        // In the middle of a step, so that it is still the same one when the form arrives.
        const refused = await one.browser.submit(one.page, { code: site.appCode(one.secret, steps * 1.5) })
        assert.deepEqual([refused.page, refused.status, refused.location], ['verify-totp', 401, undefined])
      }
    })

    test('exactly so many digits: everything else is a counted failure (TO-6)', async () => {
      const one = await asked(site)
      const code = site.appCode(one.secret)
      const fullWidth = code.replaceAll(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit)))
      for (const typed of [code.slice(1), `${code}0`, fullWidth, '']) {
        assertPage(await one.browser.submit(one.page, { code: typed }), 'verify-totp', 'code', 401)
      }
      const spaced = `${code.slice(0, 3)} ${code.slice(3)}`
      await site.redeem(await one.browser.submit(one.page, { code: spaced }))
    })

    test('a code of another time says by how much the clocks differ, counts as a failure, and is spent (D7)', async () => {
      const one = await asked(site)
      const code = site.appCode(one.secret, 120)
      const hint = assertPage(await one.browser.submit(one.page, { code }), 'verify-totp', 'clock', 401)
      assert.match(hint.text(), /about 60 minutes/)
      await guess(one, 4)
      const full = await one.browser.submit(one.page, { code: site.appCode(one.secret) })
      assertPage(full, 'verify-totp', 'throttled', 429)
      site.gateway.clock.advance(HOUR)
      const later = await asked(site, one)
      const tried = await later.browser.submit(later.page, { code })
      assert.deepEqual([tried.page, tried.status], ['verify-totp', 401])
      await site.redeem(await later.browser.submit(later.page, { code: site.appCode(one.secret, 1) }))
    })

    test('a bound app of another account opens nothing (RC-3, FB-6)', async () => {
      const [one, other] = [await asked(site), await asked(site)]
      const refused = await one.browser.submit(one.page, { code: site.appCode(other.secret) })
      assert.deepEqual([refused.page, refused.status], ['verify-totp', 401])
    })
  })

  describe('races and outages', () => {
    const site = testSite({ latency: 4, config: { sessions: { signIn: '15m' } } })

    test('the same code in ten browsers at once: one of them gets in (D4, CVE-2021-43177)', async () => {
      const first = await asked(site)
      const others = await Promise.all(Array.from({ length: 9 }, () => asked(site, first)))
      const code = site.appCode(first.secret)
      const pages = await Promise.all([first, ...others].map(({ browser, page }) => browser.submit(page, { code })))
      const inside = pages.filter(({ location }) => location !== undefined)
      assert.equal(inside.length, 1)
      for (const page of pages) if (!inside.includes(page)) assert.equal(page.status, 401)
    })

    test('twenty guesses at once: no more are judged than one sign-in has (RL-4, CVE-2024-4629)', async () => {
      const one = await asked(site)
      const code = wrongCode(one.secret, site.now())
      const pages = await Promise.all(Array.from({ length: 20 }, () => one.browser.submit(one.page, { code })))
      const wrong = await judged(site, one.person)
      assert.ok(wrong >= 1 && wrong <= 5, `${wrong}`)
      assert.equal(pages.filter(({ status }) => status === 401).length, wrong)
      assert.equal(pages.filter(({ status }) => status === 429).length, 20 - wrong)
    })

    test('guesses in many browsers at once share the hour (RL-2, RL-5)', async () => {
      const first = await asked(site)
      const all = [first, ...(await Promise.all(Array.from({ length: 7 }, () => asked(site, first))))]
      const code = wrongCode(first.secret, site.now())
      await Promise.all(all.flatMap(({ browser, page }) => [1, 2, 3].map(() => browser.submit(page, { code }))))
      const wrong = await judged(site, first.person)
      assert.ok(wrong >= 1 && wrong <= 10, `${wrong}`)
    })

    test('a used code stays used after a restart, and after Redis has lost everything (D4, FA-3)', async () => {
      const one = await asked(site)
      const code = site.appCode(one.secret)
      await site.redeem(await one.browser.submit(one.page, { code }))
      await site.gateway.restart()
      const two = await asked(site, one)
      assertPage(await two.browser.submit(two.page, { code }), 'verify-totp', 'code', 401)
      if (site.kind === 'embedded') return
      await site.stores.redis?.command('flushall')
      const three = await asked(site, one)
      assertPage(await three.browser.submit(three.page, { code }), 'verify-totp', 'code', 401)
    })
  })

  describe('binding', () => {
    const site = testSite({ behind: 0 })

    test('who takes longer than the key lives gets a new one, is told so, and goes on (TO-7, J3)', async () => {
      const person = await site.person()
      const browser = site.browser()
      const page = assertPage(await site.enter(browser, person), 'bind-totp')
      const old = page.text('[data-secret]')
      site.gateway.clock.advance(10 * MINUTE)
      const late = await browser.submit(page, { code: site.appCode(old) })
      assertPage(late, 'bind-totp', 'expired', 410)
      const secret = late.text('[data-secret]')
      assert.notEqual(secret, old)
      assert.match(late.text(), /new QR/)
      const tried = await browser.submit(late, { code: site.appCode(old) })
      assert.deepEqual([tried.page, tried.status], ['bind-totp', 401])
      await site.redeem(await browser.submit(late, { code: site.appCode(secret) }))
    })

    test('a code of another time says by how much the clocks differ, and binds nothing (D7)', async () => {
      const person = await site.person()
      const browser = site.browser()
      const page = assertPage(await site.enter(browser, person), 'bind-totp')
      const secret = page.text('[data-secret]')
      const hint = await browser.submit(page, { code: site.appCode(secret, -120) })
      assertPage(hint, 'bind-totp', 'clock', 401)
      assert.match(hint.text(), /about 60 minutes/)
      assert.equal(hint.text('[data-secret]'), secret)
      assert.deepEqual(await site.gateway.installation.bindings.list(person.id), [])
      await site.redeem(await browser.submit(hint, { code: site.appCode(secret) }))
    })

    test('five wrong codes end the key, and there is another, but not for ever', async () => {
      const person = await site.person()
      const browser = site.browser()
      let page = assertPage(await site.enter(browser, person), 'bind-totp')
      const seen = new Set<string>()
      for (let key = 0; key < 4; key++) {
        seen.add(page.text('[data-secret]'))
        for (let time = 0; time < 4; time++) {
          assertPage(await browser.submit(page, { code: '12345' }), 'bind-totp', 'code', 401)
        }
        const last = await browser.submit(page, { code: '12345' })
        if (key === 3) assertPage(last, 'bind-totp', 'throttled', 429)
        else page = assertPage(last, 'bind-totp', 'expired', 410)
      }
      assert.equal(seen.size, 4)
      assert.deepEqual(await site.gateway.installation.bindings.list(person.id), [])
    })
  })
})
