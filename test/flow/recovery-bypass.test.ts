import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { appCode, assertPage, type BrowserResponse, onEachStore, type Site } from './person-site.ts'
import { accountOf, asked, eventsOf, giveOut, toRecovery, WRONG } from './recovery-site.ts'

/** Scans the QR of this page and enters its code. */
async function bind(here: Site, browser: Browser, page: BrowserResponse): Promise<BrowserResponse> {
  assertPage(page, 'bind-totp', undefined, 200)
  return browser.submit(page, { code: appCode(here, page.text('[data-secret]')) })
}

/** The page that follows a form which moved the sign-in on. */
async function typed(browser: Browser, page: BrowserResponse, code: string): Promise<BrowserResponse> {
  const answer = await browser.submit(page, { code })
  assert.doesNotMatch(`${answer.location}`, /[?&]code=/)
  return answer
}

async function apps(here: Site, person: Person): Promise<number> {
  return (await here.gateway.site.bindings.list(person.id)).filter(({ type }) => type === 'totp').length
}

onEachStore('codes that an administrator gives out', (site) => {
  describe('a lost phone (I3)', () => {
    const here = site({ config: { mfa: { enabled: true, methods: ['totp'] } } })

    test('the code leads to binding another app, and that app signs in', async () => {
      const person = await here.person()
      await here.bindApp(person)
      const code = await giveOut(here, person)
      const { browser, page } = await asked(here, person)
      assert.equal(page.find('[name=remember]'), undefined)
      const opened = await typed(browser, page, code)
      const { claims } = await here.redeem(await bind(here, browser, opened))
      assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'])
      assert.equal(await apps(here, person), 2, 'the lost one stays until somebody removes it')
      const events = await eventsOf(here, person)
      assert.ok(events.includes('bypass.used') && !events.includes('recovery.used'), events.join())
    })

    test('and no further: without a new app nobody gets in, by whatever page or field', async () => {
      const person = await here.person()
      await here.bindApp(person)
      const { browser, page } = await (async () => {
        const code = await giveOut(here, person)
        const one = await asked(here, person)
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
      const silent = await here.open(browser, { prompt: 'none' })
      assert.match(`${silent.location}`, /error=login_required/)
      assert.equal(await apps(here, person), 1)
    })

    test('it is good once, in one browser', async () => {
      const person = await here.person()
      await here.bindApp(person)
      const code = await giveOut(here, person)
      const [first, second] = [await asked(here, person), await asked(here, person)]
      const pages = await Promise.all([first, second].map(({ browser, page }) => browser.submit(page, { code })))
      assert.deepEqual(pages.map(({ page }) => page).toSorted(), ['bind-totp', 'verify-recovery'])
      const third = here.browser()
      const page = assertPage(await here.enter(third, person), 'verify-totp')
      assert.equal(page.find('[value=choose]'), undefined, 'what is used is not offered')
    })

    test('it opens one binding', async () => {
      const person = await here.person()
      await here.bindApp(person)
      const code = await giveOut(here, person)
      const { browser, page } = await asked(here, person)
      const opened = await typed(browser, page, code)
      await here.redeem(await bind(here, browser, opened))
      const again = await browser.post(opened.url, { ...opened.form?.hidden, code: '000000' }, { from: opened.url })
      assert.notEqual(again.page, 'bind-totp')
      assert.equal(await apps(here, person), 2)
    })

    test('it ends with its time, with a newer one and with a reset; another account has nothing from it', async () => {
      const [person, other] = [await here.person(), await here.person()]
      await Promise.all([here.bindApp(person), here.bindApp(other)])
      const old = await giveOut(here, person)
      const newer = await giveOut(here, person)
      await giveOut(here, other)
      const { browser, page } = await asked(here, person)
      assertPage(await browser.submit(page, { code: old }), 'verify-recovery', 'code', 401)
      const thief = await asked(here, other)
      assertPage(await thief.browser.submit(thief.page, { code: newer }), 'verify-recovery', 'code', 401)
      const brief = await giveOut(here, person, MINUTE)
      here.gateway.clock.advance(MINUTE)
      const late = await browser.submit(page, { code: brief })
      assert.ok(late.status >= 400 && late.page === 'verify-recovery', `${late.status} ${late.page}`)
      const last = await giveOut(here, person)
      const audit = { event: 'factor.admin_reset', outcome: 'ok', account: person.id } as const
      await here.gateway.site.bindings.removeAll(person.id, audit)
      const ended = await browser.submit(page, { code: last })
      assert.notEqual(ended.page, 'bind-totp', 'its sign-in ended with the reset')
    })

    test('wrong codes count, and lock this kind alone; an administrator unlocks it (RL-1)', async () => {
      const person = await here.person()
      const secret = await here.bindApp(person)
      const code = await giveOut(here, person)
      const { bindings } = here.gateway.site
      for (let time = 0; time < 100; time++) await bindings.countAttempt(person.id, 'recovery')
      const one = await asked(here, person)
      assertPage(await one.browser.submit(one.page, { code }), 'verify-recovery', 'locked', 403)
      const app = here.browser()
      const page = await here.enter(app, person)
      await here.redeem(await app.submit(page, { code: appCode(here, secret) }))
      const unlocked = { event: 'factor.unlocked', outcome: 'ok', account: person.id } as const
      await bindings.clearAttempts(person.id, 'recovery', unlocked)
      const two = await asked(here, person)
      assertPage(await typed(two.browser, two.page, code), 'bind-totp')
    })

    test('a locked app: the locked page leads to the choice, and a code of an administrator on to a new app', async () => {
      const person = await here.person()
      const secret = await here.bindApp(person)
      for (let time = 0; time < 100; time++) await here.gateway.site.bindings.countAttempt(person.id, 'totp')
      const code = await giveOut(here, person)
      const browser = here.browser()
      const page = await here.enter(browser, person)
      const locked = assertPage(
        await browser.submit(page, { code: appCode(here, secret) }),
        'verify-totp',
        'locked',
        403,
      )
      const opened = await typed(browser, await toRecovery(browser, locked), code)
      await here.redeem(await bind(here, browser, opened))
    })
  })

  describe('where mail is a factor too', () => {
    const here = site({ mail: 'on', config: { mfa: { enabled: true, methods: ['email', 'totp'] } } })

    test('a mailbox that is lost too stands in nobody’s way: the code opens the binding', async () => {
      const person = await here.person()
      await here.bindApp(person)
      const { browser, page } = await (async () => {
        const code = await giveOut(here, person)
        const one = await asked(here, person)
        return { ...one, page: await typed(one.browser, one.page, code) }
      })()
      await here.redeem(await bind(here, browser, page))
    })
  })

  describe('where mail is the only factor', () => {
    const here = site({ mail: 'on', config: { mfa: { enabled: true, methods: ['email'] } } })

    test('the code leads to the mailed code, and no further', async () => {
      const person = await here.person()
      const code = await giveOut(here, person)
      const browser = here.browser()
      const page = await toRecovery(browser, assertPage(await here.enter(browser, person), 'verify-email'))
      const mail = assertPage(await typed(browser, page, code), 'verify-email')
      const { claims } = await here.redeem(await browser.submit(mail, { code: here.mailed(person) }))
      assert.equal(claims.acr, 'urn:stepgate:acr:2sv')
    })
  })

  describe('where an administrator opens every binding, beside mail', () => {
    const mfa = { enabled: true, methods: ['email', 'totp'], enrolment: { guard: 'bypass' } }
    const here = site({ mail: 'on', config: { mfa } })

    test('whoever picks the app goes on to it after the code, binds one, and is in', async () => {
      const person = await here.person()
      const code = await giveOut(here, person)
      const browser = here.browser()
      const choice = assertPage(await here.enter(browser, person), 'choose')
      const page = assertPage(await browser.submit(choice, { method: 'totp' }), 'verify-recovery', undefined, 200)
      await here.redeem(await bind(here, browser, await typed(browser, page, code)))
      assert.equal(await apps(here, person), 1)
    })
  })

  describe('where an administrator opens every binding (`guard: bypass`)', () => {
    const here = site({ config: { mfa: { enabled: true, methods: ['totp'], enrolment: { guard: 'bypass' } } } })

    test('the first app is bound after the code, and never after the password alone', async () => {
      const person = await here.person()
      const browser = here.browser()
      const page = assertPage(await here.enter(browser, person), 'verify-recovery', undefined, 200)
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
      const code = await giveOut(here, person)
      await here.redeem(await bind(here, browser, await typed(browser, page, code)))
      assert.equal(await apps(here, person), 1)
      const next = here.browser()
      assertPage(await here.enter(next, person), 'verify-totp')
    })

    test('an owner’s recovery code signs in, and opens no binding', async () => {
      const person = await here.person()
      const [code = ''] = await here.gateway.site.recoveryCodes.renew(await accountOf(here, person), {})
      const browser = here.browser()
      const page = assertPage(await here.enter(browser, person), 'verify-recovery')
      await here.redeem(await browser.submit(page, { code }))
      assert.equal(await apps(here, person), 0)
    })
  })
})
