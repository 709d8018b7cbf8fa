import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { Browser } from '../harness/http-client.ts'
import { asked } from './person-app.ts'
import { assertPage, type BrowserResponse, onEachStore, type TestSite } from './person-site.ts'

/** Where the page's one link leads; it is the way out (J3). */
function wayOut(page: BrowserResponse): string {
  const [link, ...others] = page.findAll('main a')
  assert.deepEqual(others, [])
  assert.ok(link?.attributes.href, page.text())
  return new URL(link.attributes.href, page.url).href
}

/** From there to a code at the relying party, for somebody who knows password and app. */
async function signIn(site: TestSite, browser: Browser, page: BrowserResponse, who: Awaited<ReturnType<typeof asked>>) {
  assertPage(page, 'login', undefined, 200)
  const typed = { username: who.person.username, password: who.person.password }
  const verify = assertPage(await browser.submit(page, typed), 'verify-totp')
  return site.redeem(await browser.submit(verify, { code: site.appCode(who.secret) }))
}

const stateOf = (location: string | undefined): string | null => new URL(`${location}`).searchParams.get('state')

onEachStore('journeys (J3)', (testSite) => {
  describe('a page that is over', () => {
    const quick = testSite({ behind: 30 * MINUTE, config: { sessions: { signIn: '1m' } } })
    const site = testSite({ behind: 40 * MINUTE })

    test('while the relying party still waits, the link asks its request again, and that works', async () => {
      const who = await asked(quick)
      const browser = quick.browser()
      const url = await quick.party().authorize()
      const page = await browser.get(url)
      // The clock is behind the engine's by half an hour, in which this page would still be good.
      quick.gateway.clock.advance(32 * MINUTE)
      for (const over of [
        await browser.get(page.url),
        await browser.submit(page, { username: who.person.username, password: who.person.password }),
      ]) {
        assertPage(over, 'error', 'expired', 410)
        const link = wayOut(over)
        assert.equal(new URL(link).searchParams.get('state'), url.searchParams.get('state'))
        assert.equal(new URL(link).origin, quick.gateway.issuer)
      }
      quick.gateway.clock.advance(-32 * MINUTE)
      const again = await browser.get(wayOut(await over(quick, browser, page)))
      const signedIn = await signIn(quick, browser, again, who)
      assert.equal(signedIn.claims.sub, who.person.id)
    })

    test('later, the link leads to the relying party itself; its state may be gone', async () => {
      const browser = site.browser()
      const page = await site.open(browser)
      site.gateway.clock.advance(56 * MINUTE)
      const over = assertPage(await browser.get(page.url), 'error', 'expired', 410)
      assert.equal(wayOut(over), `${site.party().url}/`)
      site.gateway.clock.advance(-56 * MINUTE)
    })

    test('a page that has been open for long says that the application may have given up', async () => {
      const browser = site.browser()
      const page = await site.open(browser)
      assert.equal(page.find('.notice'), undefined)
      site.gateway.clock.advance(46 * MINUTE)
      const later = assertPage(await browser.get(page.url), 'login', undefined, 200)
      assert.match(later.text('.notice'), /open for some time/)
      site.gateway.clock.advance(-46 * MINUTE)
    })
  })

  describe('back, again and twice', () => {
    const site = testSite()

    test('the back button after the end: a friendly page, or the relying party again; never an error', async () => {
      const who = await asked(site)
      const { browser, page } = who
      const done = await browser.submit(page, { code: site.appCode(who.secret) })
      await site.redeem(done)
      const back = assertPage(await browser.get(page.url), 'error', 'expired', 410)
      assert.equal(wayOut(back), `${site.party().url}/`)
      const resent = await browser.submit(page, { code: '000000' })
      assert.match(`${resent.location}`, /[?&]code=/, 'the session answers the request once more')
      assert.equal(stateOf(resent.location), stateOf(done.location))
    })

    test('the back button to the password: somebody else may sign in instead, and nothing of the first stays (WE-3)', async () => {
      const [first, second] = [await asked(site), await asked(site)]
      const browser = site.browser()
      const login = await site.open(browser)
      const typed = (who: typeof first) => ({ username: who.person.username, password: who.person.password })
      const verify = assertPage(await browser.submit(login, typed(first)), 'verify-totp')
      assertPage(await browser.submit(login, typed(second)), 'verify-totp')
      const wrong = await browser.submit(verify, { code: site.appCode(first.secret) })
      assert.deepEqual([wrong.page, wrong.status], ['verify-totp', 401])
      const { claims } = await site.redeem(await browser.submit(verify, { code: site.appCode(second.secret) }))
      assert.equal(claims.sub, second.person.id)
    })

    test('a wrong password after a right one leaves the first where it was', async () => {
      const who = await asked(site)
      const browser = site.browser()
      const login = await site.open(browser)
      await browser.submit(login, { username: who.person.username, password: who.person.password })
      assertPage(await browser.submit(login, { username: 'somebody', password: 'else' }), 'login', 'credentials', 401)
      const verify = assertPage(await browser.get(login.url), 'verify-totp')
      await site.redeem(await browser.submit(verify, { code: site.appCode(who.secret) }))
    })

    test('a second tab of the same sign-in: both go on, both end at the relying party', async () => {
      const who = await asked(site)
      const browser = site.browser()
      const login = await site.open(browser)
      const tab = await browser.get(login.url)
      const typed = { username: who.person.username, password: who.person.password }
      const one = assertPage(await browser.submit(login, typed), 'verify-totp')
      const two = assertPage(await browser.submit(tab, typed), 'verify-totp')
      await site.redeem(await browser.submit(one, { code: site.appCode(who.secret) }))
      const second = await browser.submit(two, { code: site.appCode(who.secret) })
      assert.match(`${second.location}`, /[?&]code=/)
    })

    test('two tabs with sign-ins of their own both end well', async () => {
      const who = await asked(site)
      const { browser } = who
      const other = await site.open(browser)
      await site.redeem(await browser.submit(who.page, { code: site.appCode(who.secret) }))
      const typed = { username: who.person.username, password: who.person.password }
      const page = await browser.submit(other, typed)
      const verify = assertPage(page, 'verify-totp')
      await site.redeem(await browser.submit(verify, { code: site.appCode(who.secret, 1) }))
    })
  })

  describe('at the same time', () => {
    const site = testSite({ latency: 5 })

    test('the form of the code, sent twice: nobody sees a failure of ours, and one sign-in happened', async () => {
      for (let round = 0; round < 5; round++) {
        const who = await asked(site)
        const fields = { code: site.appCode(who.secret) }
        const answers = await Promise.all([1, 2].map(() => who.browser.submit(who.page, fields)))
        for (const answer of answers) assert.ok(answer.status < 500, `${answer.status}`)
        const inside = answers.filter(({ location }) => /[?&]code=/.test(`${location}`))
        assert.ok(inside.length >= 1)
        for (const answer of answers) if (!inside.includes(answer)) await friendly(site, who.browser, answer)
        await site.redeem(inside[0] as BrowserResponse)
        await site.gateway.installation.trail.flush()
        const events = await site.gateway.installation.audit.list({ account: who.person.id })
        assert.equal(events.filter(({ event }) => event === 'otp.ok').length, 1)
      }
    })

    test('the form of the password, sent twice: both stand before the code', async () => {
      for (let round = 0; round < 5; round++) {
        const who = await asked(site)
        const browser = site.browser()
        const login = await site.open(browser)
        const typed = { username: who.person.username, password: who.person.password }
        const pages = await Promise.all([1, 2].map(() => browser.submit(login, typed)))
        for (const page of pages) assertPage(page, 'verify-totp', undefined, 200)
      }
    })

    test('cancel and code at once: one of the two answers reaches the relying party, never a failure of ours', async () => {
      for (let round = 0; round < 5; round++) {
        const who = await asked(site)
        const answers = await Promise.all([
          who.browser.submit(who.page, { code: site.appCode(who.secret) }),
          who.browser.submit(who.page, { action: 'cancel' }),
        ])
        for (const answer of answers) assert.ok(answer.status < 500, `${answer.status} ${answer.url}`)
        assert.ok(answers.some(({ location }) => /[?&](code|error)=/.test(`${location}`)))
      }
    })
  })

  describe('cookies that are gone, and other people’s addresses', () => {
    const site = testSite()

    test('cleared before the form is sent: told so, with a way to start again that works', async () => {
      const who = await asked(site)
      const browser = site.browser()
      const login = await site.open(browser)
      await browser.clear()
      const typed = { username: who.person.username, password: who.person.password }
      const refused = assertPage(await browser.submit(login, typed), 'error', 'csrf', 403)
      await signIn(site, browser, await browser.get(wayOut(refused)), who)
    })

    test('cleared between password and code: what was proved is not carried over (B9)', async () => {
      const who = await asked(site)
      await who.browser.clear()
      const refused = await who.browser.submit(who.page, { code: site.appCode(who.secret) })
      assertPage(refused, 'error', 'csrf', 403)
      const shown = assertPage(await who.browser.get(who.page.url), 'error', 'expired', 410)
      await signIn(site, who.browser, await who.browser.get(wayOut(shown)), who)
    })

    test('only the interaction’s cookie cleared, only the browser’s cleared: neither goes on, both start again', async () => {
      for (const name of ['stepgate-interaction', 'stepgate-browser']) {
        const who = await asked(site)
        await who.browser.clear(name)
        const refused = await who.browser.submit(who.page, { code: site.appCode(who.secret) })
        assert.equal(refused.page, 'error')
        assert.ok(refused.status === 403 || refused.status === 410, `${refused.status}`)
        await signIn(site, who.browser, await who.browser.get(wayOut(refused)), who)
      }
    })

    test('the address of another browser’s sign-in shows nothing of it, and starts one’s own (X8, CVE-2022-39222)', async () => {
      const who = await asked(site)
      const other = site.browser()
      const page = assertPage(await other.get(who.page.url), 'error', 'expired', 410)
      assert.ok(!page.body.includes(who.person.username))
      const own = await asked(site)
      assertPage(await own.browser.get(who.page.url), 'error', 'expired', 410)
      assertPage(await own.browser.get(own.page.url), 'verify-totp')
      await site.redeem(await who.browser.submit(who.page, { code: site.appCode(who.secret) }))
    })

    test('nor does it answer to the cookie of another sign-in, whoever sends it along (WE-3)', async () => {
      const own = await asked(site)
      const who = { page: await site.open(site.browser()) }
      const cookie = await own.browser.jar.getCookieString(own.page.url)
      assert.match(cookie, /stepgate-interaction=/)
      assertPage(await own.browser.get(who.page.url, { headers: { cookie } }), 'error', 'expired', 410)
      const fields = { ...own.page.form?.hidden, code: site.appCode(own.secret) }
      const posted = await own.browser.post(who.page.url, fields, { from: who.page.url, headers: { cookie } })
      assert.equal(posted.page, 'error')
      await site.redeem(await own.browser.submit(own.page, { code: site.appCode(own.secret) }))
    })

    test('a form of one sign-in does not fit another, not even in the same browser (WE-1)', async () => {
      const who = await asked(site)
      const second = await site.open(who.browser)
      const fields = { ...second.form?.hidden, csrf: `${who.page.form?.hidden.csrf}`, username: 'a', password: 'b' }
      assertPage(await who.browser.post(second.url, fields, { from: second.url }), 'error', 'csrf', 403)
    })

    test('a form sent from another site, or without its token, is refused', async () => {
      const who = await asked(site)
      const code = { ...who.page.form?.hidden, code: site.appCode(who.secret) }
      const foreign = [
        { headers: { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' } },
        { headers: { origin: 'null' } },
        { headers: { origin: undefined, 'sec-fetch-site': 'cross-site' } },
        { headers: { origin: undefined, 'sec-fetch-site': 'same-site' } },
      ]
      for (const { headers } of foreign) {
        const answer = await who.browser.post(who.page.url, code, { from: who.page.url, headers })
        assertPage(answer, 'error', 'csrf', 403)
      }
      for (const csrf of [undefined, '', 'A'.repeat(43)]) {
        const answer = await who.browser.post(who.page.url, { ...code, csrf }, { from: who.page.url })
        assertPage(answer, 'error', 'csrf', 403)
      }
      await site.redeem(await who.browser.submit(who.page, { code: site.appCode(who.secret) }))
    })

    test('reading changes nothing: neither GET nor HEAD answers a form, other methods are refused (WE-4)', async () => {
      const who = await asked(site)
      const query = new URLSearchParams({ ...who.page.form?.hidden, code: site.appCode(who.secret) })
      assertPage(await who.browser.get(`${who.page.url}?${query}`), 'verify-totp', undefined, 200)
      for (const method of ['PUT', 'DELETE', 'PATCH']) {
        assert.equal((await who.browser.send(method, who.page.url, 'x=1', { from: who.page.url })).status, 405)
      }
      assertPage(await who.browser.get(who.page.url), 'verify-totp')
    })
  })

  describe('another person at the same browser', () => {
    const site = testSite()

    test('a sign-in as B over A’s session asks first, ends A’s session, and shows no page that sends itself', async () => {
      const [a, b] = [await asked(site), await asked(site)]
      const { browser } = a
      const first = await site.redeem(await browser.submit(a.page, { code: site.appCode(a.secret) }))
      const before = await browser.cookies(site.gateway.issuer)
      const login = assertPage(await site.open(browser, { prompt: 'login' }), 'login')
      const asks = await browser.submit(login, { username: b.person.username, password: b.person.password })
      assertPage(asks, 'switch-account', undefined, 200)
      assert.ok(asks.text().includes(a.person.username) && asks.text().includes(b.person.username))
      const verify = assertPage(await browser.submit(asks, { action: 'switch' }), 'verify-totp')
      const done = await browser.submit(verify, { code: site.appCode(b.secret) })
      assert.ok(done.location?.startsWith(site.party().redirectUri), `${done.status} ${done.url}`)
      const second = await site.redeem(done)
      assert.equal(second.claims.sub, b.person.id)
      assert.notEqual(second.claims.sid, first.claims.sid)
      const after = await browser.cookies(site.gateway.issuer)
      assert.notEqual(after['stepgate-session'], before['stepgate-session'])
      await assert.rejects(first.userinfo(), 'what A’s session granted has ended')
      const thief = site.browser()
      await thief.setCookie(site.gateway.issuer, `stepgate-session=${before['stepgate-session']}; Path=/`)
      await thief.setCookie(site.gateway.issuer, `stepgate-session.sig=${before['stepgate-session.sig']}; Path=/`)
      assertPage(await site.open(thief), 'login')
      const { claims } = await site.redeem(await site.open(browser))
      assert.equal(claims.sub, b.person.id)
    })

    test('who does not want that cancels, and A stays signed in (CVE-2023-6787)', async () => {
      const [a, b] = [await asked(site), await asked(site)]
      const { browser } = a
      await site.redeem(await browser.submit(a.page, { code: site.appCode(a.secret) }))
      const login = await site.open(browser, { prompt: 'login' })
      const asks = await browser.submit(login, { username: b.person.username, password: b.person.password })
      const cancelled = await browser.submit(asks, { action: 'cancel' })
      assert.equal(new URL(`${cancelled.location}`).searchParams.get('error'), 'access_denied')
      const { claims } = await site.redeem(await site.open(browser))
      assert.equal(claims.sub, a.person.id)
    })
  })

  describe('leaving, hints and languages', () => {
    const site = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['totp', 'email'] } } })

    test('cancel takes the person back to the relying party from every page, and nothing is left behind (B9)', async () => {
      const person = await site.person()
      const bare = await site.person({ email: null })
      const login = async (browser: Browser) => site.open(browser)
      const choose = (browser: Browser) => site.enter(browser, person)
      const verify = async (browser: Browser) => browser.submit(await choose(browser), { method: 'email' })
      const bind = (browser: Browser) => site.enter(browser, bare)
      for (const reach of [login, choose, verify, bind]) {
        const browser = site.browser()
        const page = await reach(browser)
        const left = await browser.submit(page, { action: 'cancel' })
        const answer = new URL(`${left.location}`)
        assert.ok(answer.href.startsWith(site.party().redirectUri), answer.href)
        assert.equal(answer.searchParams.get('error'), 'access_denied')
        assert.equal(answer.searchParams.get('iss'), site.gateway.issuer)
        assert.ok(answer.searchParams.get('state'))
        assertPage(await site.open(browser), 'login', undefined, 200)
        assert.equal(
          new URL(`${(await site.open(browser, { prompt: 'none' })).location}`).searchParams.get('error'),
          'login_required',
        )
      }
      assert.deepEqual(await site.gateway.installation.bindings.list(bare.id), [])
    })

    test('what one person proved is not proved for the next one in the same sign-in (WE-3)', async () => {
      const [first, second] = [await site.person(), await site.person()]
      const browser = site.browser()
      const login = await site.open(browser)
      const choice = await browser.submit(login, { username: first.username, password: first.password })
      const verify = await browser.submit(choice, { method: 'totp' })
      assertPage(await browser.submit(verify, { code: site.mailed(first) }), 'bind-totp')
      const next = await browser.submit(login, { username: second.username, password: second.password })
      assertPage(next, 'choose', undefined, 200)
      assertPage(await browser.submit(next, { method: 'totp' }), 'verify-email')
      assert.deepEqual(await site.gateway.installation.bindings.list(second.id), [])
    })

    test('a login_hint fills in the name, as text', async () => {
      const hint = '"><script>alert(1)</script>'
      const page = await site.open(site.browser(), { login_hint: hint })
      assert.equal(page.form?.filled.username, hint)
      assert.ok(!page.body.includes('<script>alert'))
      assert.equal((await site.open(site.browser())).form?.filled.username, '')
    })

    test('the language: what the request asks for, then what the browser prefers, then the first of the file', async () => {
      const language = async (browser: Browser, parameters = {}) =>
        (await site.open(browser, parameters)).find('html')?.attributes.lang
      assert.equal(await language(site.browser({ language: 'en' }), { ui_locales: 'sv' }), 'sv')
      assert.equal(await language(site.browser({ language: 'sv-FI, en;q=0.5' })), 'sv')
      assert.equal(await language(site.browser({ language: 'sv' }), { ui_locales: 'xx en-GB' }), 'en')
      assert.equal(await language(site.browser({ language: 'de, fr' })), 'en')
      assert.equal(await language(site.browser({ language: '*' })), 'en')
      const browser = site.browser({ language: 'en' })
      const page = await site.open(browser, { ui_locales: 'sv' })
      const wrong = await browser.submit(page, { username: 'a', password: 'b' })
      assert.equal(wrong.find('html')?.attributes.lang, 'sv')
    })
  })
})

async function over(site: TestSite, browser: Browser, page: BrowserResponse): Promise<BrowserResponse> {
  site.gateway.clock.advance(32 * MINUTE)
  const shown = await browser.get(page.url)
  site.gateway.clock.advance(-32 * MINUTE)
  return shown
}

/** A page that says what is the matter in our words, and leads on. */
async function friendly(site: TestSite, browser: Browser, page: BrowserResponse): Promise<void> {
  assert.ok(page.page !== undefined, `${page.status} ${page.url}`)
  if (page.page !== 'error') {
    const next = await browser.get(page.url)
    assert.ok(next.location !== undefined || next.page !== undefined)
    return
  }
  assert.equal(page.error, 'expired')
  assert.ok([`${site.party().url}/`].includes(wayOut(page)) || wayOut(page).startsWith(site.gateway.issuer))
}
