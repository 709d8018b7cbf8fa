import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { assertPage, type BrowserResponse, onEachStore, type TestSite } from './person-site.ts'
import { accountOf, asked, eventsOf, giveOut, toRecovery, WRONG } from './recovery-site.ts'

/** Scans the QR of this page and enters its code. */
async function bind(site: TestSite, browser: Browser, page: BrowserResponse): Promise<BrowserResponse> {
  assertPage(page, 'bind-totp', undefined, 200)
  return browser.submit(page, { code: site.appCode(page.text('[data-secret]')) })
}

/** The page that follows a form which moved the sign-in on. */
async function typed(browser: Browser, page: BrowserResponse, code: string): Promise<BrowserResponse> {
  const answer = await browser.submit(page, { code })
  assert.doesNotMatch(`${answer.location}`, /[?&]code=/)
  return answer
}

async function apps(site: TestSite, person: Person): Promise<number> {
  return (await site.gateway.installation.bindings.list(person.id)).filter(({ type }) => type === 'totp').length
}

onEachStore('codes that an administrator gives out', (testSite) => {
  describe('a lost phone (I3)', () => {
    const site = testSite({ config: { mfa: { enabled: true, methods: ['totp'] } } })

    test('the code leads to binding another app, and that app signs in', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const code = await giveOut(site, person)
      const { browser, page } = await asked(site, person)
      assert.equal(page.find('[name=remember]'), undefined)
      const opened = await typed(browser, page, code)
      const { claims } = await site.redeem(await bind(site, browser, opened))
      assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'])
      assert.equal(await apps(site, person), 2, 'the lost one stays until somebody removes it')
      const events = await eventsOf(site, person)
      assert.ok(events.includes('bypass.used') && !events.includes('recovery.used'), events.join())
    })

    test('and no further: without a new app nobody gets in, by whatever page or field', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const { browser, page } = await (async () => {
        const code = await giveOut(site, person)
        const one = await asked(site, person)
        return { ...one, page: await typed(one.browser, one.page, code) }
      })()
      assertPage(page, 'bind-totp')
      for (const fields of [
        { code: WRONG },
        { code: '' },
        { action: 'later' },
        { action: 'choose' },
        { step: 'verify-totp', code: '000000' },
        { step: 'choose', method: 'recovery' },
      ]) {
        const answer = await browser.post(page.url, { ...page.form?.hidden, ...fields }, { from: page.url })
        assert.doesNotMatch(`${answer.location}`, /[?&]code=/, JSON.stringify(fields))
      }
      const silent = await site.open(browser, { prompt: 'none' })
      assert.match(`${silent.location}`, /error=login_required/)
      assert.equal(await apps(site, person), 1)
    })

    test('it is good once, in one browser', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const code = await giveOut(site, person)
      const [first, second] = [await asked(site, person), await asked(site, person)]
      const pages = await Promise.all([first, second].map(({ browser, page }) => browser.submit(page, { code })))
      assert.deepEqual(pages.map(({ page }) => page).toSorted(), ['bind-totp', 'verify-recovery'])
      const third = site.browser()
      const page = assertPage(await site.enter(third, person), 'verify-totp')
      assert.equal(page.find('[value=choose]'), undefined, 'what is used is not offered')
    })

    test('it opens one binding', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const code = await giveOut(site, person)
      const { browser, page } = await asked(site, person)
      const opened = await typed(browser, page, code)
      await site.redeem(await bind(site, browser, opened))
      const again = await browser.post(opened.url, { ...opened.form?.hidden, code: '000000' }, { from: opened.url })
      assert.notEqual(again.page, 'bind-totp')
      assert.equal(await apps(site, person), 2)
    })

    test('it ends with its time, with a newer one and with a reset; another account has nothing from it', async () => {
      const [person, other] = [await site.person(), await site.person()]
      await Promise.all([site.bindApp(person), site.bindApp(other)])
      const old = await giveOut(site, person)
      const newer = await giveOut(site, person)
      await giveOut(site, other)
      const { browser, page } = await asked(site, person)
      assertPage(await browser.submit(page, { code: old }), 'verify-recovery', 'code', 401)
      const thief = await asked(site, other)
      assertPage(await thief.browser.submit(thief.page, { code: newer }), 'verify-recovery', 'code', 401)
      const brief = await giveOut(site, person, MINUTE)
      site.gateway.clock.advance(MINUTE)
      const late = await browser.submit(page, { code: brief })
      assert.ok(late.status >= 400 && late.page === 'verify-recovery', `${late.status} ${late.page}`)
      const last = await giveOut(site, person)
      const audit = { event: 'factor.admin_reset', outcome: 'ok', account: person.id } as const
      await site.gateway.installation.bindings.removeAll(person.id, audit)
      const ended = await browser.submit(page, { code: last })
      assert.notEqual(ended.page, 'bind-totp', 'its sign-in ended with the reset')
    })

    test('wrong codes count, and lock this kind alone; an administrator unlocks it (RL-1)', async () => {
      const person = await site.person()
      const secret = await site.bindApp(person)
      const code = await giveOut(site, person)
      const { bindings } = site.gateway.installation
      for (let time = 0; time < 100; time++) await bindings.countAttempt(person.id, 'recovery')
      const one = await asked(site, person)
      assertPage(await one.browser.submit(one.page, { code }), 'verify-recovery', 'locked', 403)
      const app = site.browser()
      const page = await site.enter(app, person)
      await site.redeem(await app.submit(page, { code: site.appCode(secret) }))
      const unlocked = { event: 'factor.unlocked', outcome: 'ok', account: person.id } as const
      await bindings.clearAttempts(person.id, 'recovery', unlocked)
      const two = await asked(site, person)
      assertPage(await typed(two.browser, two.page, code), 'bind-totp')
    })

    test('a locked app: the locked page leads to the choice, and a code of an administrator on to a new app', async () => {
      const person = await site.person()
      const secret = await site.bindApp(person)
      for (let time = 0; time < 100; time++) await site.gateway.installation.bindings.countAttempt(person.id, 'totp')
      const code = await giveOut(site, person)
      const browser = site.browser()
      const page = await site.enter(browser, person)
      const locked = assertPage(
        await browser.submit(page, { code: site.appCode(secret) }),
        'verify-totp',
        'locked',
        403,
      )
      const opened = await typed(browser, await toRecovery(browser, locked), code)
      await site.redeem(await bind(site, browser, opened))
    })
  })

  describe('where mail is a factor too', () => {
    const site = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['email', 'totp'] } } })

    test('a mailbox that is lost too stands in nobody’s way: the code opens the binding', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const { browser, page } = await (async () => {
        const code = await giveOut(site, person)
        const one = await asked(site, person)
        return { ...one, page: await typed(one.browser, one.page, code) }
      })()
      await site.redeem(await bind(site, browser, page))
    })
  })

  describe('where mail is the only factor', () => {
    const site = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['email'] } } })

    test('the code leads to the mailed code, and no further', async () => {
      const person = await site.person()
      const code = await giveOut(site, person)
      const browser = site.browser()
      const page = await toRecovery(browser, assertPage(await site.enter(browser, person), 'verify-email'))
      const mail = assertPage(await typed(browser, page, code), 'verify-email')
      const { claims } = await site.redeem(await browser.submit(mail, { code: site.mailed(person) }))
      assert.equal(claims.acr, 'urn:stepgate:acr:2sv')
    })
  })

  describe('where an administrator opens every binding, beside mail', () => {
    const mfa = { enabled: true, methods: ['email', 'totp'], enrolment: { guard: 'bypass' } }
    const site = testSite({ mail: 'on', config: { mfa } })

    test('whoever picks the app goes on to it after the code, binds one, and is in', async () => {
      const person = await site.person()
      const code = await giveOut(site, person)
      const browser = site.browser()
      const choice = assertPage(await site.enter(browser, person), 'choose')
      const page = assertPage(await browser.submit(choice, { method: 'totp' }), 'verify-recovery', undefined, 200)
      await site.redeem(await bind(site, browser, await typed(browser, page, code)))
      assert.equal(await apps(site, person), 1)
    })
  })

  describe('where an administrator opens every binding (`guard: bypass`)', () => {
    const site = testSite({ config: { mfa: { enabled: true, methods: ['totp'], enrolment: { guard: 'bypass' } } } })

    test('the first app is bound after the code, and never after the password alone', async () => {
      const person = await site.person()
      const browser = site.browser()
      const page = assertPage(await site.enter(browser, person), 'verify-recovery', undefined, 200)
      for (const code of [WRONG, '']) {
        assertPage(await browser.submit(page, { code }), 'verify-recovery', 'code', 401)
      }
      for (const fields of [
        { step: 'bind-totp', code: '000000' },
        { step: 'choose', method: 'totp' },
      ]) {
        const answer = await browser.post(page.url, { ...page.form?.hidden, ...fields }, { from: page.url })
        assert.notEqual(answer.page, 'bind-totp')
      }
      const code = await giveOut(site, person)
      await site.redeem(await bind(site, browser, await typed(browser, page, code)))
      assert.equal(await apps(site, person), 1)
      const next = site.browser()
      assertPage(await site.enter(next, person), 'verify-totp')
    })

    test('an owner’s recovery code signs in, and opens no binding', async () => {
      const person = await site.person()
      const [code = ''] = await site.gateway.installation.recoveryCodes.renew(await accountOf(site, person), {})
      const browser = site.browser()
      const page = assertPage(await site.enter(browser, person), 'verify-recovery')
      await site.redeem(await browser.submit(page, { code }))
      assert.equal(await apps(site, person), 0)
    })
  })
})
