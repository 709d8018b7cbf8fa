import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nameOf } from './person-login.ts'
import { assertPage, onEachStore } from './person-site.ts'
import { accountOf, asked, eventsOf, prepared, renew, toRecovery, WRONG } from './recovery-site.ts'

const ACR = 'urn:stepgate:acr:mfa'
const APPS = { enabled: true, methods: ['totp'] }

onEachStore('recovery codes', (testSite) => {
  describe('instead of a lost app', () => {
    const site = testSite({ config: { mfa: APPS } })

    test('a code signs in as a second factor, with nothing to be remembered by (RC-6, TD-8)', async () => {
      const { person, codes } = await prepared(site)
      const { browser, page } = await asked(site, person)
      assert.equal(page.find('[name=remember]'), undefined)
      const hidden = page.form?.hidden ?? {}
      const given = { ...hidden, code: ` ${codes[3]?.toLowerCase().replaceAll('-', ' ')} `, remember: 'on' }
      const { claims } = await site.redeem(await browser.post(page.url, given, { from: page.url }))
      assert.equal(claims.acr, ACR)
      assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'])
      const cookies = await browser.cookies(site.gateway.issuer)
      assert.equal(cookies[nameOf('device', person.id)], undefined)
      assert.deepEqual(await site.gateway.installation.devices.list(await accountOf(site, person)), [])
      const bindings = await site.gateway.installation.bindings.list(person.id)
      assert.deepEqual(bindings.map(({ type }) => type).toSorted(), ['recovery', 'totp'], 'no factor is removed by it')
      assert.equal(site.gateway.installation.recoveryCodes.left(bindings), 9)
      const events = await eventsOf(site, person)
      assert.equal(events.filter((event) => event === 'recovery.used').length, 1, events.join())
    })

    test('no page opens on it, and the app goes on working beside it', async () => {
      const { person, secret, codes } = await prepared(site)
      const first = await asked(site, person)
      await site.redeem(await first.browser.submit(first.page, { code: codes[0] ?? '' }))
      const browser = site.browser()
      const page = assertPage(await site.enter(browser, person), 'verify-totp', undefined, 200)
      await site.redeem(await browser.submit(page, { code: site.appCode(secret) }))
    })

    test('a used code is dead, and ends what was remembered (TD-6, CVE-2026-31875)', async () => {
      const { person, secret, codes } = await prepared(site)
      const old = site.browser()
      const page = await site.enter(old, person)
      await site.redeem(await old.submit(page, { code: site.appCode(secret), remember: 'on' }))
      const { installation } = site.gateway
      assert.equal((await installation.devices.list(await accountOf(site, person))).length, 1)
      const first = await asked(site, person)
      await site.redeem(await first.browser.submit(first.page, { code: codes[0] ?? '' }))
      assert.deepEqual(await installation.devices.list(await accountOf(site, person)), [])
      await old.clear('stepgate-session')
      assertPage(await site.enter(old, person), 'verify-totp')
      const second = await asked(site, person)
      const again = await second.browser.submit(second.page, { code: codes[0] ?? '' })
      assertPage(again, 'verify-recovery', 'code', 401)
      await site.gateway.restart()
      const third = await asked(site, person)
      assertPage(await third.browser.submit(third.page, { code: codes[0] ?? '' }), 'verify-recovery', 'code', 401)
      await site.redeem(await third.browser.submit(third.page, { code: codes[1] ?? '' }))
    })

    test("another account's code is a wrong code, and stays good for its owner (CVE-2026-78619, CVE-2025-64175)", async () => {
      const [mine, theirs] = [await prepared(site), await prepared(site)]
      const thief = await asked(site, mine.person)
      for (const code of theirs.codes.slice(0, 3)) {
        assertPage(await thief.browser.submit(thief.page, { code }), 'verify-recovery', 'code', 401)
      }
      const owner = await asked(site, theirs.person)
      await site.redeem(await owner.browser.submit(owner.page, { code: theirs.codes[0] ?? '' }))
    })

    test('a new set kills the old one (RC-4)', async () => {
      const { person, codes: old } = await prepared(site)
      const { browser, page } = await asked(site, person)
      const codes = await renew(site, person)
      assert.equal(new Set([...old, ...codes]).size, 20)
      assertPage(await browser.submit(page, { code: old[0] ?? '' }), 'verify-recovery', 'code', 401)
      await site.redeem(await browser.submit(page, { code: codes[0] ?? '' }))
      const kept = await site.gateway.installation.bindings.list(person.id)
      assert.equal(kept.filter(({ type }) => type === 'recovery').length, 1)
    })

    test('tries count as those of the app do: five in a sign-in over both kinds (RC-5)', async () => {
      const { person, secret, codes } = await prepared(site)
      const browser = site.browser()
      const page = await site.enter(browser, person)
      for (let time = 0; time < 3; time++) await browser.submit(page, { code: '00000' })
      const recovery = await toRecovery(browser, page)
      for (let time = 0; time < 2; time++) await browser.submit(recovery, { code: WRONG })
      const over = await browser.submit(recovery, { code: codes[0] ?? '' })
      assertPage(over, 'verify-recovery', 'throttled', 429)
      assert.ok(Number(over.headers['retry-after']) > 0)
      const next = await asked(site, person)
      for (let time = 0; time < 5; time++) await next.browser.submit(next.page, { code: WRONG })
      const last = site.browser()
      const full = await last.submit(await site.enter(last, person), { code: site.appCode(secret) })
      assertPage(full, 'verify-totp', 'throttled', 429)
    })

    test('without codes it is not offered, and forged fields find nothing', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const browser = site.browser()
      const page = assertPage(await site.enter(browser, person), 'verify-totp')
      assert.equal(page.find('[value=choose]'), undefined)
      const { hidden } = page.form ?? assert.fail('no form')
      for (const fields of [
        { ...hidden, action: 'choose' },
        { ...hidden, step: 'choose', method: 'recovery' },
        { ...hidden, step: 'verify-recovery', code: WRONG },
      ]) {
        const answer = await browser.post(page.url, fields, { from: page.url })
        assert.notEqual(answer.page, 'verify-recovery')
        assert.doesNotMatch(`${answer.location}`, /[?&]code=/)
      }
    })

    test('in a session too: a step-up by a recovery code', async () => {
      const { person, secret, codes } = await prepared(site)
      const browser = site.browser()
      await site.redeem(await browser.submit(await site.enter(browser, person), { code: site.appCode(secret) }))
      const login = assertPage(await site.open(browser, { prompt: 'login' }), 'login')
      const typed = { username: person.username, password: person.password }
      const page = await toRecovery(browser, await browser.submit(login, typed))
      const { claims } = await site.redeem(await browser.submit(page, { code: codes[5] ?? '' }))
      assert.equal(claims.acr, ACR)
    })
  })

  describe('at the same time', () => {
    const site = testSite({ config: { mfa: APPS }, latency: 15 })

    test('one code, four browsers: one of them gets in (RC-3)', async () => {
      const { person, codes } = await prepared(site)
      const pages = await Promise.all(Array.from({ length: 4 }, () => asked(site, person)))
      const answers = await Promise.all(
        pages.map(({ browser, page }) => browser.submit(page, { code: codes[0] ?? '' })),
      )
      const inside = answers.filter(({ location }) => /[?&]code=/.test(`${location}`))
      assert.equal(inside.length, 1, answers.map(({ status, page, error }) => `${status} ${page} ${error}`).join('; '))
      assert.equal(
        site.gateway.installation.recoveryCodes.left(await site.gateway.installation.bindings.list(person.id)),
        9,
      )
      const events = await eventsOf(site, person)
      assert.equal(events.filter((event) => event === 'recovery.used').length, 1)
    })

    test('two sets made at once: one of them is good', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const sets = await Promise.all([renew(site, person), renew(site, person), renew(site, person)])
      const own = (await site.gateway.installation.bindings.list(person.id)).filter(({ type }) => type === 'recovery')
      assert.equal(own.length, 1)
      const { browser, page } = await asked(site, person)
      let good = 0
      for (const [code = ''] of sets) {
        const answer = await browser.submit(page, { code })
        if (/[?&]code=/.test(`${answer.location}`)) good++
        if (good > 0) break
      }
      assert.equal(good, 1)
    })
  })
})

describe('what policy says of recovery codes', () => {
  onEachStore('off', (testSite) => {
    const site = testSite({ config: { mfa: { ...APPS, recoveryCodes: 0 } } })

    test('codes of the time before are neither offered nor taken', async () => {
      const person = await site.person()
      await site.bindApp(person)
      await site.gateway.restart({ mfa: APPS })
      const [code = ''] = await renew(site, person)
      await site.gateway.restart({ mfa: { ...APPS, recoveryCodes: 0 } })
      const browser = site.browser()
      const page = assertPage(await site.enter(browser, person), 'verify-totp')
      assert.equal(page.find('[value=choose]'), undefined)
      const forged = { ...page.form?.hidden, step: 'verify-recovery', code }
      assert.doesNotMatch(`${(await browser.post(page.url, forged, { from: page.url })).location}`, /[?&]code=/)
    })
  })
})
