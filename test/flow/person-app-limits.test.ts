import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOUR, SECOND } from '../../src/kernel/clock.ts'
import { type Asked, asked, guess } from './person-app.ts'
import { assertPage, onEachStore } from './person-site.ts'

onEachStore('limits of codes of an app', (testSite) => {
  describe('limits', () => {
    const site = testSite({ behind: 3 * HOUR })
    const daily = testSite({ config: { limits: { codesPerHour: 100 } } })

    test('five wrong codes in one sign-in; then even the right one waits, with Retry-After (RL-2)', async () => {
      const one = await asked(site)
      await guess(one, 5)
      const page = await one.browser.submit(one.page, { code: site.appCode(one.secret) })
      assertPage(page, 'verify-totp', 'throttled', 429)
      assert.ok(Number(page.headers['retry-after']) > 0)
      assert.equal(page.location, undefined)
      const again = await asked(site, one)
      await site.redeem(await again.browser.submit(again.page, { code: site.appCode(one.secret) }))
    })

    test('ten an hour over all sign-ins: a new interaction, a new browser and the right password reset nothing (RL-6)', async () => {
      const one = await asked(site)
      await guess(one, 5)
      await guess(await asked(site, one), 5)
      const three = await asked(site, one)
      const page = await three.browser.submit(three.page, { code: site.appCode(one.secret) })
      assertPage(page, 'verify-totp', 'throttled', 429)
      assert.ok(Number(page.headers['retry-after']) <= HOUR / SECOND)
      await site.gateway.restart()
      const four = await asked(site, one)
      assertPage(
        await four.browser.submit(four.page, { code: site.appCode(one.secret) }),
        'verify-totp',
        'throttled',
        429,
      )
      const other = await asked(site)
      await site.redeem(await other.browser.submit(other.page, { code: site.appCode(other.secret) }))
      // Redis counts the hour by itself.
      if (site.kind === 'servers') return
      site.gateway.clock.advance(HOUR)
      const five = await asked(site, one)
      await site.redeem(await five.browser.submit(five.page, { code: site.appCode(one.secret) }))
    })

    test('a success gives back no failures: nine wrong, one right, one wrong, and the hour is full (RL-6)', async () => {
      const one = await asked(site)
      await guess(one, 5)
      const two = await asked(site, one)
      await guess(two, 4)
      await site.redeem(await two.browser.submit(two.page, { code: site.appCode(one.secret) }))
      await guess(await asked(site, one), 1)
      const last = await asked(site, one)
      assertPage(
        await last.browser.submit(last.page, { code: site.appCode(one.secret, 1) }),
        'verify-totp',
        'throttled',
        429,
      )
    })

    test('thirty a day, whatever the hour allows (RL-3)', async () => {
      const one = await asked(daily)
      await guess(one, 5)
      for (let round = 1; round < 6; round++) await guess(await asked(daily, one), 5)
      const last = await asked(daily, one)
      const page = await last.browser.submit(last.page, { code: daily.appCode(one.secret) })
      assertPage(page, 'verify-totp', 'throttled', 429)
      assert.ok(Number(page.headers['retry-after']) > HOUR / SECOND)
    })
  })

  describe('the hard cap', () => {
    const site = testSite({
      mail: 'on',
      config: {
        mfa: { enabled: true, methods: ['totp', 'email'], email: { maxSendsPerHour: 100 } },
        limits: { codeFailuresInARow: 7, codesPerHour: 100, codesPerDay: 100, mailsPerDay: 100 },
      },
    })

    async function lockedOut(): Promise<Asked> {
      const one = await asked(site)
      await guess(one, 5)
      const two = await asked(site, one)
      await guess(two, 1)
      const code = '00000'
      assertPage(await two.browser.submit(two.page, { code }), 'verify-totp', 'locked', 403)
      return one
    }

    test('so many failures in a row lock this factor, even for the right code, until somebody acts (RL-1)', async () => {
      const one = await lockedOut()
      const again = await asked(site, one)
      const page = await again.browser.submit(again.page, { code: site.appCode(one.secret) })
      assertPage(page, 'verify-totp', 'locked', 403)
      assert.equal(page.location, undefined)
    })

    test('nobody without the password sees it (EN-3)', async () => {
      const { person } = await lockedOut()
      const browser = site.browser()
      const page = await browser.submit(await site.open(browser), { username: person.username, password: 'wrong' })
      assertPage(page, 'login', 'credentials', 401)
    })

    test('the other factor still works, and its success does not unlock this one', async () => {
      const one = await lockedOut()
      const mailing = await asked(site, one)
      const choice = await mailing.browser.submit(mailing.page, { action: 'choose' })
      const verify = assertPage(await mailing.browser.submit(choice, { method: 'email' }), 'verify-email')
      await site.redeem(await mailing.browser.submit(verify, { code: site.mailed(one.person) }))
      const browser = site.browser()
      const opened = assertPage(await site.enter(browser, one.person), 'verify-email')
      const back = await browser.submit(await browser.submit(opened, { action: 'choose' }), { method: 'totp' })
      const page = await browser.submit(back, { code: site.appCode(one.secret) })
      assertPage(page, 'verify-totp', 'locked', 403)
    })

    test('it outlives a restart and the loss of Redis (FA-3); a reset by an administrator ends it', async () => {
      const one = await lockedOut()
      await site.gateway.restart()
      await site.stores.redis?.command('flushall')
      const again = await asked(site, one)
      const page = await again.browser.submit(again.page, { code: site.appCode(one.secret) })
      assertPage(page, 'verify-totp', 'locked', 403)
      const audit = { event: 'factor.admin_reset', outcome: 'ok', account: one.person.id } as const
      await site.gateway.installation.bindings.removeAll(one.person.id, audit)
      const fresh = { person: one.person, secret: await site.bindApp(one.person) }
      const last = await asked(site, fresh)
      await site.redeem(await last.browser.submit(last.page, { code: site.appCode(fresh.secret) }))
    })

    test('a success before the cap begins the row anew', async () => {
      const one = await asked(site)
      for (let round = 0; round < 2; round++) {
        const page = round === 0 ? one : await asked(site, one)
        await guess(page, 4)
        await site.redeem(await page.browser.submit(page.page, { code: site.appCode(one.secret, round) }))
      }
      await guess(await asked(site, one), 5)
    })
  })
})
