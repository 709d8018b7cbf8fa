import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HOUR, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { assertPage, type BrowserResponse, onEachStore, otherCode, signInByMail, type TestSite } from './person-site.ts'

const mailsTo = (site: TestSite, { email }: Person): number => site.smtp.codesTo(`${email}`)

function assertNotIn(page: BrowserResponse): BrowserResponse {
  assert.equal(page.location, undefined)
  assert.equal(page.cookies['stepgate-session'], undefined)
  return page
}

function retryAfter(page: BrowserResponse): number {
  const seconds = Number(page.headers['retry-after'])
  assert.ok(Number.isInteger(seconds) && seconds > 0, `Retry-After: ${page.headers['retry-after']}`)
  return seconds
}

async function guess(browser: Browser, page: BrowserResponse, wrong: { code: string; times: number }) {
  let last = page
  for (let time = 0; time < wrong.times; time++) {
    last = assertPage(await browser.submit(page, { code: wrong.code }), 'verify-email', 'code', 401)
  }
  return last
}

onEachStore('codes by mail', (testSite) => {
  describe('one code', () => {
    const site = testSite({ mail: 'on', behind: 15 * MINUTE, config: { mfa: { enabled: true, methods: ['email'] } } })

    async function asked(): Promise<{ person: Person; browser: Browser; page: BrowserResponse; code: string }> {
      const [person, browser] = [await site.person(), site.browser()]
      const page = assertPage(await site.enter(browser, person), 'verify-email', undefined, 200)
      return { person, browser, page, code: site.mailed(person) }
    }

    test('a wrong code is refused and the right one still works; what was typed is not on the page', async () => {
      const { browser, page, code } = await asked()
      const wrong = await browser.submit(page, { code: otherCode(code) })
      assertPage(assertNotIn(wrong), 'verify-email', 'code', 401)
      assert.ok(!wrong.body.includes(otherCode(code)))
      await site.redeem(await browser.submit(wrong, { code: ` ${code.slice(0, 3)} ${code.slice(3)} ` }))
    })

    test('after five wrong tries the code is dead, even the right one (C5, EM-4)', async () => {
      const { person, browser, page, code } = await asked()
      await guess(browser, page, { code: otherCode(code), times: 5 })
      const right = await browser.submit(page, { code })
      assertPage(assertNotIn(right), 'verify-email', 'expired', 410)
      assertPage(await browser.get(page.url), 'verify-email', 'expired', 410)
      assertPage(assertNotIn(await browser.submit(page, { code })), 'verify-email', 'expired', 410)
      site.gateway.clock.advance(MINUTE)
      const mails = mailsTo(site, person)
      assertPage(await browser.submit(page, { action: 'resend' }), 'verify-email', 'throttled', 429)
      assert.equal(mailsTo(site, person), mails, 'a code that could not be tried is not sent')
      await signInByMail(site, site.browser(), person)
    })

    test('anything that is no code counts as a wrong try', async () => {
      const { browser, page, code } = await asked()
      for (const typed of ['', '1', `${code}0`, 'abcdef', '０００００１']) {
        assertPage(await browser.submit(page, { code: typed }), 'verify-email', 'code', 401)
      }
      assertPage(assertNotIn(await browser.submit(page, { code })), 'verify-email', 'expired', 410)
    })

    test('a code is dead after its lifetime, and a new one leads on (EM-3)', async () => {
      const { person, browser, page, code } = await asked()
      site.gateway.clock.advance(5 * MINUTE)
      const late = assertPage(assertNotIn(await browser.submit(page, { code })), 'verify-email', 'expired', 410)
      const fresh = assertPage(await browser.submit(late, { action: 'resend' }), 'verify-email', undefined, 200)
      assert.equal(mailsTo(site, person), 2)
      await site.redeem(await browser.submit(fresh, { code: site.mailed(person) }))
    })

    test('showing the page again sends nothing again', async () => {
      const { person, browser, page, code } = await asked()
      for (let time = 0; time < 3; time++) assertPage(await browser.get(page.url), 'verify-email', undefined, 200)
      assert.equal(mailsTo(site, person), 1)
      await site.redeem(await browser.submit(page, { code }))
    })

    test('a resend is refused until the wait is over, and the code in hand stays good (C4)', async () => {
      const { person, browser, page, code } = await asked()
      site.gateway.clock.advance(50 * SECOND)
      const refused = assertPage(await browser.submit(page, { action: 'resend' }), 'verify-email', 'throttled', 429)
      assert.ok(retryAfter(refused) <= 10, 'the wait counts from the server’s time')
      assert.equal(mailsTo(site, person), 1)
      await site.redeem(await browser.submit(page, { code }))
    })

    test('a new code kills the old one (C3, EM-7)', async () => {
      const { person, browser, page, code } = await asked()
      site.gateway.clock.advance(MINUTE)
      const next = assertPage(await browser.submit(page, { action: 'resend' }), 'verify-email', undefined, 200)
      assert.equal(mailsTo(site, person), 2)
      assertPage(assertNotIn(await browser.submit(next, { code })), 'verify-email', 'code', 401)
      await site.redeem(await browser.submit(next, { code: site.mailed(person) }))
    })

    test('wrong tries outlive a new code: five in one sign-in, whatever was sent meanwhile (RL-6)', async () => {
      const { person, browser, page, code } = await asked()
      await guess(browser, page, { code: otherCode(code), times: 3 })
      site.gateway.clock.advance(MINUTE)
      await browser.submit(page, { action: 'resend' })
      const next = site.mailed(person)
      await guess(browser, page, { code: otherCode(next), times: 2 })
      assertPage(assertNotIn(await browser.submit(page, { code: next })), 'verify-email', 'throttled', 429)
    })

    test('a code is good in its own sign-in only: not in another tab, for another account, in another browser (EM-5)', async () => {
      const one = await asked()
      const tab = await site.enter(one.browser, one.person)
      const tabCode = site.mailed(one.person)
      const other = await asked()
      if (tabCode !== one.code) {
        assertPage(await one.browser.submit(tab, { code: one.code }), 'verify-email', 'code', 401)
        assertPage(await one.browser.submit(one.page, { code: tabCode }), 'verify-email', 'code', 401)
      }
      if (other.code !== one.code) {
        assertPage(await other.browser.submit(other.page, { code: one.code }), 'verify-email', 'code', 401)
      }
      const thief = await one.browser.copy()
      await thief.clear('stepgate-browser')
      assertPage(assertNotIn(await thief.submit(one.page, { code: one.code })), 'error', 'csrf', 403)
      const shown = assertNotIn(await thief.get(one.page.url))
      assertPage(shown, 'error', 'expired', 410)
      assertPage(assertNotIn(await thief.submit(one.page, { code: one.code })), 'error', 'csrf', 403)
      await site.redeem(await one.browser.submit(one.page, { code: one.code }))
    })

    test('a code is used once (EM-6)', async () => {
      const { person, browser, page, code } = await asked()
      await site.redeem(await browser.submit(page, { code }))
      const next = site.browser()
      const again = await site.enter(next, person)
      if (site.mailed(person) !== code) assertPage(await next.submit(again, { code }), 'verify-email', 'code', 401)
    })

    test('a change of address ends the sign-in whose code went to the old one, and the next code goes to the new one (C7, EM-12)', async () => {
      const { person, browser, page, code } = await asked()
      const email = `new-${person.email}`
      await site.gateway.installation.accounts.update(
        person.id,
        { email },
        { event: 'email.change.done', outcome: 'ok' },
      )
      const over = assertPage(assertNotIn(await browser.submit(page, { code })), 'login', 'expired', 410)
      const { username, password } = person
      const again = assertPage(await browser.submit(over, { username, password }), 'verify-email', 'expired', 410)
      site.gateway.clock.advance(MINUTE)
      const next = assertPage(await browser.submit(again, { action: 'resend' }), 'verify-email', undefined, 200)
      const { claims } = await site.redeem(await browser.submit(next, { code: site.smtp.codeFor(email) }))
      assert.equal(claims.sub, person.id)
    })

    test('the mail has the code alone on a line, not in its subject, and no link (C8, EM-8, EM-10)', async () => {
      const { person, code } = await asked()
      const mail = await site.smtp.waitFor(`${person.email}`)
      assert.match(mail.text, new RegExp(`^${code}$`, 'm'))
      assert.ok(!mail.subject.includes(code))
      assert.doesNotMatch(`${mail.text}${mail.html}`, /href=|https?:\/\//)
      const swedish = await site.person()
      await site.enter(site.browser({ language: 'sv-SE,sv;q=0.9' }), swedish)
      assert.match((await site.smtp.waitFor(`${swedish.email}`)).text, /koden/)
    })
  })

  describe('caps', () => {
    const behind = 3 * HOUR
    const perHour = testSite({ mail: 'on', behind, config: { mfa: { enabled: true, methods: ['email'] } } })
    const perDay = testSite({
      mail: 'on',
      config: {
        mfa: { enabled: true, methods: ['email'], email: { maxSendsPerHour: 100 } },
        limits: { mailsPerDay: 3 },
      },
    })

    test('five mails an hour per account, across browsers; nobody else is affected (C4)', async () => {
      const person = await perHour.person()
      for (let mail = 1; mail <= 5; mail++) {
        assertPage(await perHour.enter(perHour.browser(), person), 'verify-email', undefined, 200)
      }
      const browser = perHour.browser()
      const page = assertPage(await perHour.enter(browser, person), 'verify-email', 'throttled', 429)
      assert.ok(retryAfter(page) <= HOUR / SECOND)
      assertPage(await browser.get(page.url), 'verify-email', 'throttled', 429)
      assert.equal(mailsTo(perHour, person), 5)
      assertPage(await perHour.enter(perHour.browser(), await perHour.person()), 'verify-email', undefined, 200)
      // Redis counts the hour by itself.
      if (perHour.kind === 'servers') return
      perHour.gateway.clock.advance(HOUR)
      assertPage(await browser.get(page.url), 'verify-email', undefined, 200)
    })

    test('three resends in one sign-in, then none (EM-7)', async () => {
      const person = await perHour.person()
      const browser = perHour.browser()
      const page = await perHour.enter(browser, person)
      for (let resend = 1; resend <= 3; resend++) {
        perHour.gateway.clock.advance(MINUTE)
        assertPage(await browser.submit(page, { action: 'resend' }), 'verify-email', undefined, 200)
      }
      perHour.gateway.clock.advance(MINUTE)
      const last = await browser.get(page.url)
      assert.equal(
        last.form?.buttons.some(({ value }) => value === 'resend'),
        false,
        'the page does not offer what is refused',
      )
      const code = perHour.mailed(person)
      const refused = await browser.post(page.url, { ...page.form?.hidden, action: 'resend' }, { from: page.url })
      assertPage(refused, 'verify-email', 'throttled', 429)
      assert.equal(mailsTo(perHour, person), 4)
      await perHour.redeem(await browser.submit(page, { code }))
    })

    test('ten mails a day at most, whatever the hour allows; parallel sign-ins share them', async () => {
      const person = await perDay.person()
      const pages = await Promise.all(Array.from({ length: 8 }, async () => perDay.enter(perDay.browser(), person)))
      assert.equal(mailsTo(perDay, person), 3)
      assert.equal(pages.filter(({ error }) => error === undefined).length, 3)
      for (const page of pages.filter(({ error }) => error !== undefined)) {
        assertPage(page, 'verify-email', 'throttled', 429)
      }
    })
  })

  describe('no mail server', () => {
    const alone = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['email'] } } })
    const both = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['email', 'totp'] } } })

    test('mail cannot be sent: the page says so, nobody is let in, and a later try works (C2, EM-11)', async () => {
      const person = await alone.person()
      const browser = alone.browser()
      await alone.smtp.stop()
      const page = assertPage(assertNotIn(await alone.enter(browser, person)), 'verify-email', 'mail', 503)
      retryAfter(page)
      assert.equal(page.find('input[name=code]'), undefined, 'there is no code to type')
      for (const code of ['', '000000']) {
        const typed = await browser.post(page.url, { ...page.form?.hidden, code }, { from: page.url })
        assertNotIn(typed)
      }
      assertPage(assertNotIn(await browser.get(page.url)), 'verify-email', 'mail', 503)
      assertPage(assertNotIn(await browser.submit(page, { action: 'resend' })), 'verify-email', 'mail', 503)
      await alone.smtp.start()
      const sent = assertPage(await browser.submit(page, { action: 'resend' }), 'verify-email', undefined, 200)
      await alone.redeem(await browser.submit(sent, { code: alone.mailed(person) }))
    })

    test('mails that could not be sent use up nothing of the hour', async () => {
      const person = await alone.person()
      alone.smtp.setRefuse('rcpt')
      for (let time = 0; time < 6; time++) {
        assertPage(await alone.enter(alone.browser(), person), 'verify-email', 'mail', 503)
      }
      alone.smtp.setRefuse(undefined)
      await signInByMail(alone, alone.browser(), person)
    })

    test('both kinds: who has the app bound may use it (C2)', async () => {
      const person = await both.person()
      const browser = both.browser()
      const first = await browser.submit(await both.enter(browser, person), { method: 'email' })
      await both.redeem(await browser.submit(first, { code: both.mailed(person) }))
      const secret = await both.bindApp(person)
      await both.smtp.stop()
      const other = both.browser()
      const page = assertPage(await both.enter(other, person), 'verify-email', 'mail', 503)
      const choice = assertPage(await other.submit(page, { action: 'choose' }), 'choose')
      const verify = assertPage(await other.submit(choice, { method: 'totp' }), 'verify-totp')
      await both.redeem(await other.submit(verify, { code: both.appCode(secret) }))
      await both.smtp.start()
    })

    test('both kinds, an address and no app: while mail is down none can be bound (C2)', async () => {
      const person = await both.person()
      const browser = both.browser()
      await both.smtp.stop()
      const choice = assertPage(await both.enter(browser, person), 'choose')
      for (const method of ['totp', 'email']) {
        const page = assertPage(assertNotIn(await browser.submit(choice, { method })), 'verify-email', 'mail', 503)
        assert.equal(page.find('[data-secret]'), undefined)
        assert.equal((await browser.get(page.url)).find('[data-secret]'), undefined)
        assertPage(await browser.submit(page, { action: 'choose' }), 'choose')
      }
      assert.deepEqual(await both.gateway.installation.bindings.list(person.id), [])
      await both.smtp.start()
    })
  })
})
