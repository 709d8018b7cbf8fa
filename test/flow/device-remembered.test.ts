import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { DAY, HOUR } from '../../src/kernel/clock.ts'
import { assertAsked, assertSpared, deviceCookie, LIMITS, MAIL, remembered } from './device-site.ts'
import { nameOf } from './person-login.ts'
import { assertPage, onEachStore, signInByMail } from './person-site.ts'

onEachStore('a remembered device', (testSite) => {
  describe('its life', () => {
    const site = testSite({
      mail: 'on',
      behind: 150 * DAY,
      config: { mfa: { ...MAIL, rememberDays: 30 }, limits: LIMITS },
    })

    test('the box is there, not ticked; who leaves it is asked again (E2, TD-8)', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const page = await site.enter(browser, person)
      const box = page.find('input[name=remember]')
      assert.equal(box?.attributes.type, 'checkbox')
      assert.equal(box?.attributes.checked, undefined)
      await site.redeem(await browser.submit(page, { code: site.mailed(person) }))
      assert.equal(await deviceCookie(site, browser, person), undefined)
      await assertAsked(site, browser, person)
    })

    test('ticked: the next sign-in needs the password alone, and the token says so (E2, TD-1)', async () => {
      const { person, browser } = await remembered(site)
      await assertSpared(site, browser, person)
      await assertSpared(site, browser, person)
    })

    test('also on the very sign-in that bound the factor', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      await signInByMail(site, browser, person, { remember: 'on' })
      await assertSpared(site, browser, person)
    })

    test('the password is still asked, and a wrong one is refused as ever', async () => {
      const { person, browser } = await remembered(site)
      const before = await deviceCookie(site, browser, person)
      const page = await site.open(browser)
      const wrong = await browser.submit(page, { username: person.username, password: 'wrong' })
      assertPage(wrong, 'login', 'credentials', 401)
      assert.equal(await deviceCookie(site, browser, person), before)
      await assertSpared(site, browser, person)
    })

    test('another browser is not remembered', async () => {
      const { person } = await remembered(site)
      await assertAsked(site, site.browser(), person)
    })

    test('until thirty days after the last real factor; using it does not extend it (E2, TD-4)', async () => {
      const { person, browser } = await remembered(site)
      for (const days of [12, 12, 5]) {
        site.gateway.clock.advance(days * DAY)
        await assertSpared(site, browser, person)
      }
      site.gateway.clock.advance(DAY - HOUR)
      await assertSpared(site, browser, person)
      site.gateway.clock.advance(HOUR)
      const page = await assertAsked(site, browser, person)
      await site.redeem(await browser.submit(page, { code: site.mailed(person), remember: 'on' }))
      site.gateway.clock.advance(29 * DAY)
      await assertSpared(site, browser, person)
    })

    test('signing in again without the box lets the old remembrance run on, no longer', async () => {
      const { person, browser } = await remembered(site)
      site.gateway.clock.advance(20 * DAY)
      const page = await assertAsked(site, browser, person, { prompt: 'login' })
      await site.redeem(await browser.submit(page, { code: site.mailed(person) }))
      site.gateway.clock.advance(9 * DAY)
      await assertSpared(site, browser, person)
      site.gateway.clock.advance(DAY)
      await assertAsked(site, browser, person)
    })

    test('somebody else in the same browser is asked; both are remembered side by side (E3)', async () => {
      const { person, browser } = await remembered(site)
      const other = await site.person()
      const page = await assertAsked(site, browser, other)
      await site.redeem(await browser.submit(page, { code: site.mailed(other), remember: 'on' }))
      await assertSpared(site, browser, person)
      await assertSpared(site, browser, other)
    })

    test('the cookie is out of reach of scripts and other sites, and ends with the days (TD-2)', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const page = await site.enter(browser, person)
      const done = await browser.submit(page, { code: site.mailed(person), remember: 'on' }, { redirects: 'stop' })
      const line = done.headers['set-cookie']?.find((cookie) => cookie.startsWith('stepgate-device-'))
      const [pair = '', ...attributes] = `${line}`.split('; ')
      assert.match(pair, /^stepgate-device-\w+=[\w-]{22}\.[\w-]{43}$/)
      const said = attributes.map((attribute) => attribute.toLowerCase())
      for (const wanted of ['path=/', 'httponly', 'samesite=lax']) assert.ok(said.includes(wanted), `${line}`)
      const expires = Date.parse(`${/expires=([^;]+)/i.exec(`${line}`)?.[1]}`)
      assert.ok(Math.abs(expires - Date.now() - 30 * DAY) < HOUR, `${line}`)
    })

    test('a cookie that was made up, or is another account’s, spares nothing (GHSA-h6mp-mc7g-mg49)', async () => {
      const { person, browser } = await remembered(site)
      const other = await site.person()
      const own = `${await deviceCookie(site, browser, person)}`
      const [id = ''] = own.split('.')
      const name = nameOf('device', person.id)
      for (const value of [`${id}.${'A'.repeat(43)}`, 'a.b', id, `${id}.`, '.', `${own}.x`]) {
        const thief = site.browser()
        await thief.setCookie(site.gateway.issuer, `${name}=${value}; Path=/`)
        if (!value.startsWith(`${id}.A`)) await assertAsked(site, thief, person)
      }
      const thief = site.browser()
      await thief.setCookie(site.gateway.issuer, `${nameOf('device', other.id)}=${own}; Path=/`)
      await assertAsked(site, thief, other)
      await assertSpared(site, browser, person)
    })
  })

  describe('what it does not spare (E5, TD-7)', () => {
    const site = testSite({ mail: 'on', behind: DAY, config: { mfa: { ...MAIL, rememberDays: 30 }, limits: LIMITS } })
    const strict = testSite({
      mail: 'on',
      client: { require: '2sv' },
      config: { mfa: { ...MAIL, rememberDays: 30 }, limits: LIMITS },
    })
    const essential = JSON.stringify({ id_token: { acr: { essential: true, value: 'urn:stepgate:acr:2sv' } } })

    for (const parameters of [{ acr_values: 'urn:stepgate:acr:2sv' }, { claims: essential }, { prompt: 'login' }]) {
      test(`a request with ${Object.keys(parameters)}`, async () => {
        const { person, browser } = await remembered(site)
        const page = await assertAsked(site, browser, person, parameters)
        const { claims } = await site.redeem(await browser.submit(page, { code: site.mailed(person) }))
        assert.equal(claims.acr, 'urn:stepgate:acr:2sv')
        await assertSpared(site, browser, person)
      })
    }

    test('an exceeded max_age of a session', async () => {
      const { person, browser } = await remembered(site)
      await site.redeem(await site.enter(browser, person))
      const page = assertPage(await site.open(browser, { max_age: '0' }), 'login')
      const asked = await browser.submit(page, { username: person.username, password: person.password })
      assertPage(asked, 'verify-email')
    })

    test('a session that it let in, for a request that wants the factor: only the factor is asked (F2)', async () => {
      const { person, browser } = await remembered(site)
      await site.redeem(await site.enter(browser, person))
      const { claims } = await site.redeem(await site.open(browser))
      assert.equal(claims.acr, 'urn:stepgate:acr:pwd')
      const page = assertPage(await site.open(browser, { acr_values: 'urn:stepgate:acr:2sv' }), 'verify-email')
      const raised = await site.redeem(await browser.submit(page, { code: site.mailed(person) }))
      assert.equal(raised.claims.acr, 'urn:stepgate:acr:2sv')
    })

    test('a client that requires a level: no box, and the factor every time (F4)', async () => {
      const [person, browser] = [await strict.person(), strict.browser()]
      const page = await strict.enter(browser, person)
      assert.equal(page.find('input[name=remember]'), undefined)
      const fields = { ...page.form?.hidden, code: strict.mailed(person), remember: 'on' }
      await strict.redeem(await browser.post(page.url, fields, { from: page.url }))
      assert.equal(await deviceCookie(strict, browser, person), undefined)
      await assertAsked(strict, browser, person)
    })
  })

  describe('other settings', () => {
    const site = testSite({
      mail: 'on',
      behind: 60 * DAY,
      config: { mfa: { ...MAIL, rememberDays: 30 }, limits: LIMITS },
    })

    test('fewer days count at once, also for those remembered before (E4, TD-4)', async () => {
      const { person, browser } = await remembered(site)
      const fresh = await remembered(site)
      site.gateway.clock.advance(6 * DAY)
      await site.gateway.restart({ mfa: { ...MAIL, rememberDays: 7 } })
      await assertSpared(site, browser, person)
      site.gateway.clock.advance(DAY)
      await assertAsked(site, browser, person)
      await site.gateway.restart({ mfa: { ...MAIL, rememberDays: 0 } })
      const page = await assertAsked(site, fresh.browser, fresh.person)
      assert.equal(page.find('input[name=remember]'), undefined)
      const fields = { ...page.form?.hidden, code: site.mailed(fresh.person), remember: 'on' }
      await site.redeem(await fresh.browser.post(page.url, fields, { from: page.url }))
      await assertAsked(site, fresh.browser, fresh.person)
      await site.gateway.restart({ mfa: { ...MAIL, rememberDays: 30 } })
    })

    test('a kind that is not allowed any more: what it was remembered for is asked in the new kind', async () => {
      const { person, browser } = await remembered(site)
      await site.gateway.restart({ mfa: { enabled: true, methods: ['totp'], rememberDays: 30 } })
      await browser.clear('stepgate-session')
      const page = await site.enter(browser, person)
      assert.equal(page.location, undefined)
      await site.gateway.restart({ mfa: { ...MAIL, rememberDays: 30 } })
    })
  })
})
