import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { CLIENT } from '../harness/gateway.ts'
import { fitsNearby } from '../harness/totp-app.ts'
import {
  assertPage,
  assertSignedIn,
  type Browser,
  type BrowserResponse,
  isSignedIn,
  onServers,
  type Person,
  REDIRECT,
  requestOf,
  seen,
  somebodyAsked,
  somebodySignedIn,
} from './site.ts'

/**
 * A sign-in is a chain of pages, and every link of it is an address and a form that anybody can send in any order, from
 * any browser, for any name. Products let a step be skipped, a proof wander into another browser, and one person's
 * answer count for another. What was proved belongs to one interaction, one browser and one account (WE-3, SE-3).
 */

const LOOSE = { ...CLIENT, client_id: 'loose', client_secret: 'Nq3bV7xTz1Rk5Mw9Cd2Fy6Hp8Ls4Jg0E' }
const THIRD = { ...CLIENT, client_id: 'third', client_secret: 'Zr8mQ1wXc5Tn7Kv2Lb9Ye4Hs6Gd3Jf0U', firstParty: false }
const OPEN = { ...CLIENT, client_id: 'open', client_secret: 'Bk5nP8wRz2Xc7Tm4Vd9Qe3Hy6Ls1Jf0G' }

onServers('interaction confusion', (testSite) => {
  const site = testSite({
    config: {
      clients: [CLIENT, LOOSE, THIRD, OPEN],
      policy: {
        rules: [
          { name: 'loose', when: { clients: ['loose'] }, secondFactor: 'if-bound' },
          { name: 'open', when: { clients: ['open'] }, secondFactor: 'off' },
        ],
      },
    },
  })

  const uidIn = (page: BrowserResponse): string => new URL(page.url).pathname.split('/').at(-1) ?? ''

  /** The cookies of these names that a browser has for this page, as a header. */
  async function header(browser: Browser, page: BrowserResponse, ...kinds: string[]): Promise<{ cookie: string }> {
    const all = Object.entries({
      ...(await browser.cookies(page.url)),
      ...(await browser.cookies(`${site.issuer}/auth/${uidIn(page)}`)),
    })
    const chosen = all.filter(([name]) => kinds.some((kind) => name.startsWith(`stepgate-${kind}`)))
    assert.ok(chosen.length > 0, `no ${kinds} among ${all.map(([name]) => name)}`)
    return { cookie: chosen.map(([name, value]) => `${name}=${value}`).join('; ') }
  }

  /** Whether this browser has a session, without any page. */
  async function hasSession(browser: Browser): Promise<boolean> {
    const end = await browser.get(requestOf(site.issuer, { prompt: 'none', client_id: 'open' }), { redirects: 'stop' })
    const { searchParams } = new URL(`${end.location}`)
    if (searchParams.has('code')) return true
    assert.equal(searchParams.get('error'), 'login_required', seen(end))
    return false
  }

  describe('somebody else’s interaction', () => {
    test('the address of another sign-in with the cookie of one’s own opens nothing (X8)', async () => {
      const mine = site.browser()
      const own = await site.open(mine)
      const victim = await somebodyAsked(site)
      const cookies = await header(mine, own, 'interaction', 'resume', 'browser')
      const { hidden = {}, action = '' } = victim.page.form ?? {}
      const stop = { redirects: 'stop', headers: cookies } as const
      const shown = assertPage(await site.browser().get(victim.page.url, stop), 'error', 'expired', 410)
      assert.doesNotMatch(shown.body, new RegExp(victim.person.username))
      const code = site.appCode(victim.secret)
      for (const csrf of [hidden.csrf, own.form?.hidden.csrf]) {
        const answer = await site.browser().post(action, { ...hidden, csrf, code }, stop)
        assertPage(answer, 'error', 'csrf', 403)
      }
      // Nor where nothing was proved yet, so that nothing is bound to a browser.
      const begun = await site.open(site.browser())
      assertPage(await site.browser().get(begun.url, stop), 'error', 'expired', 410)
      // The engine's way back follows the cookie: it leads to one's own sign-in, whosever the address is.
      const resumed = await site.browser().get(`${site.issuer}/auth/${uidIn(victim.page)}`, stop)
      assert.equal(isSignedIn(resumed), false)
      assert.doesNotMatch(`${resumed.location}`, new RegExp(uidIn(victim.page)))
      assertSignedIn(await victim.browser.submit(victim.page, { code }))
    })

    test('the attacker’s address in the victim’s browser: nobody is asked for a password there (CVE-2022-39222)', async () => {
      const attackers = site.browser()
      const page = await site.open(attackers)
      const victim = site.browser()
      for (const address of [page.url, `${site.issuer}/auth/${uidIn(page)}`]) {
        const shown = assertPage(await victim.get(address, { from: 'https://evil.example/' }), 'error', 'expired', 410)
        assert.equal(shown.forms.length, 0)
      }
      // A victim who already has a session is not drawn into it either.
      const signedIn = await somebodySignedIn(site)
      for (const address of [page.url, `${site.issuer}/auth/${uidIn(page)}`]) {
        const shown = await signedIn.browser.get(address)
        assertPage(shown, 'error', 'expired', 410)
      }
      assertPage(await attackers.get(page.url), 'login')
      assert.equal(isSignedIn(await attackers.get(`${site.issuer}/auth/${uidIn(page)}`)), false)
    })

    test('a thief with the interaction’s cookies alone does not stand where its owner stands', async () => {
      const victim = await somebodyAsked(site)
      const stolen = await header(victim.browser, victim.page, 'interaction', 'resume')
      const thief = site.browser()
      const shown = await thief.get(victim.page.url, { headers: stolen })
      assertPage(shown, 'error', 'expired', 410)
      assert.doesNotMatch(shown.body, new RegExp(victim.person.username))
      const code = site.appCode(victim.secret)
      const fields = { ...victim.page.form?.hidden, code }
      assertPage(await thief.post(`${victim.page.form?.action}`, fields, { headers: stolen }), 'error', 'csrf', 403)
      // With a browser secret of the thief's own, whose token the thief can know.
      const own = site.browser()
      const other = await site.open(own)
      const both = `${stolen.cookie}; ${(await header(own, other, 'browser')).cookie}`
      assertPage(await thief.get(victim.page.url, { headers: { cookie: both } }), 'error', 'expired', 410)
      assertSignedIn(await victim.browser.submit(victim.page, { code }))
    })

    describe('planted in the victim’s browser, cookies and all, as a neighbour under the same domain can', () => {
      /** Somebody who has begun a sign-in, and the browser of somebody else in which it goes on. */
      async function planted(parameters: Record<string, string> = {}) {
        const attackers = site.browser()
        const page = await site.open(attackers, parameters)
        const victims = await attackers.copy()
        await victims.clear('stepgate-browser')
        const person = await site.person()
        const secret = parameters.client_id === undefined ? await site.bindApp(person) : ''
        const login = assertPage(await victims.get(page.url), 'login', undefined, 200)
        const { username, password } = person
        return { attackers, page, victims, login, typed: { username, password }, code: secret && site.appCode(secret) }
      }

      test('the session is of the browser in which the sign-in was finished (SE-2)', async () => {
        const { attackers, page, victims, login, typed, code } = await planted()
        const verify = assertPage(await victims.submit(login, typed), 'verify-totp')
        const done = await victims.submit(verify, { code }, { redirects: 'stop' })
        const bare = `${site.issuer}/auth/${uidIn(page)}`
        for (const address of [bare, `${bare}/`, `${done.location}`, `${bare}?finished=`, page.url]) {
          assertPage(await attackers.get(address), 'error', 'expired', 410)
        }
        assert.equal(await hasSession(attackers), false)
        assertSignedIn(await victims.get(`${done.location}`))
      })

      test('the proof of another interaction, or for another browser, is none', async () => {
        const { attackers, page, victims, login, typed, code } = await planted()
        await victims.submit(
          assertPage(await victims.submit(login, typed), 'verify-totp'),
          { code },
          { redirects: 'stop' },
        )
        const own = await site.open(attackers)
        const cancelled = await attackers.submit(own, { action: 'cancel' }, { redirects: 'stop' })
        const address = new URL(`${cancelled.location}`)
        const { cookie } = await header(attackers, page, 'resume')
        const browser = (await header(attackers, page, 'browser')).cookie
        const headers = { cookie: `${cookie}; ${browser}` }
        assertPage(await site.browser().get(address.href, { headers }), 'error', 'expired', 410)
        address.pathname = `/auth/${uidIn(page)}`
        assertPage(await site.browser().get(address.href, { headers }), 'error', 'expired', 410)
      })

      test('a form that is sent in the meantime brings no cookie of the other browser', async () => {
        for (let gap = 0; gap < 6; gap++) {
          const { attackers, page, victims, login, typed } = await planted({ client_id: 'open' })
          const mine = await attackers.get(page.url)
          const first = victims.submit(login, typed, { redirects: 'stop' })
          await pause(gap)
          const [answer, done] = await Promise.all([attackers.submit(mine, { username: 'x', password: '' }), first])
          assert.match(`${done.headers['set-cookie']}`, /known/)
          assert.doesNotMatch(`${answer.headers['set-cookie']}`, /known/)
        }
      })
    })

    test('the browser’s cookie alone opens no interaction', async () => {
      const victim = await somebodyAsked(site)
      const stolen = await header(victim.browser, victim.page, 'browser')
      assertPage(await site.browser().get(victim.page.url, { headers: stolen }), 'error', 'expired', 410)
      const fields = { ...victim.page.form?.hidden, code: site.appCode(victim.secret) }
      const answer = await site.browser().post(`${victim.page.form?.action}`, fields, { headers: stolen })
      assertPage(answer, 'error', 'expired', 410)
    })

    test('cookies without their signature, or with another one, are no cookies', async () => {
      const { browser, page } = await somebodyAsked(site)
      const { cookie } = await header(browser, page, 'interaction', 'resume', 'browser')
      const unsigned = cookie.split('; ').filter((pair) => !/\.sig=/.test(pair))
      const forged = cookie.split('; ').map((pair) => (/\.sig=/.test(pair) ? `${pair.slice(0, -3)}AAA` : pair))
      for (const pairs of [unsigned, forged]) {
        const answer = await site.browser().get(page.url, { headers: { cookie: pairs.join('; ') } })
        assertPage(answer, 'error', 'expired', 410)
      }
    })
  })

  describe('steps out of order', () => {
    /** A login page, and the code that would be right for this person. */
    async function atLogin(): Promise<{ browser: Browser; page: BrowserResponse; person: Person; code: string }> {
      const [person, browser] = [await site.person(), site.browser()]
      const secret = await site.bindApp(person)
      return { browser, person, page: await site.open(browser), code: site.appCode(secret) }
    }

    test('a second factor never stands alone: the right code before the password is nobody’s (CVE-2025-64103)', async () => {
      const { browser, page, person, code } = await atLogin()
      const csrf = page.form?.hidden.csrf
      const { username } = person
      for (const fields of [
        { step: 'verify-totp', code },
        { step: 'verify-totp', username, code },
        { step: 'bind-totp', username, code },
        { code },
        { username, code },
        { step: 'login', username, code },
        { step: 'login', username, password: code, code },
        { step: 'verify-totp', username, code, action: 'resend' },
      ]) {
        const answer = await browser.post(page.url, { csrf, ...fields })
        assert.equal(answer.page, 'login', `${JSON.stringify(fields)}: ${seen(answer)}`)
        assert.ok([401, 410].includes(answer.status), seen(answer))
      }
      assert.equal(await hasSession(browser), false)
    })

    test('nobody chooses, allows, binds, postpones or switches before there is a password', async () => {
      const { browser, page } = await atLogin()
      const csrf = page.form?.hidden.csrf
      for (const fields of [
        { step: 'choose', method: 'totp' },
        { method: 'totp' },
        { action: 'choose' },
        { step: 'consent', action: 'allow' },
        { action: 'allow' },
        { step: 'bind-later', action: 'later' },
        { step: 'switch-account', action: 'switch' },
        { action: 'bind' },
        { step: 'done' },
        { remember: 'on' },
      ]) {
        const answer = await browser.post(page.url, { csrf, ...fields })
        assert.equal(answer.page, 'login', `${JSON.stringify(fields)}: ${seen(answer)}`)
        assert.ok(answer.status >= 400, seen(answer))
      }
    })

    test('an empty form moves nobody on, on any page (CVE-2026-49448)', async () => {
      const [bound, unbound] = [await atLogin(), await site.person({ email: null })]
      const { browser, person } = bound
      const verify = await browser.submit(bound.page, { username: person.username, password: person.password })
      const other = site.browser()
      const bind = await site.enter(other, unbound)
      const third = await somebodySignedIn(site)
      const consent = await site.open(third.browser, { client_id: 'third' })
      const pages: [Browser, BrowserResponse, string][] = [
        [site.browser(), await site.open(site.browser()), 'login'],
        [browser, verify, 'verify-totp'],
        [other, bind, 'bind-totp'],
        [third.browser, consent, 'consent'],
      ]
      for (const [who, page, name] of pages) {
        assertPage(page, name)
        const { csrf = '', step = '' } = page.form?.hidden ?? {}
        for (const fields of [{}, { csrf }, { csrf, step }, { csrf, step, code: '' }, { csrf, step, action: '' }]) {
          const answer = await who.post(page.url, fields, { redirects: 'stop' })
          assert.ok(answer.status >= 400 && answer.status < 500, `${name} ${JSON.stringify(fields)}: ${seen(answer)}`)
        }
      }
      assert.deepEqual(await site.gateway.installation.bindings.list(unbound.id), [])
    })

    test('before the second factor no session of any kind exists (SE-3, GHSA-xg6x-h9c9-2m83)', async () => {
      const { browser, page } = await somebodyAsked(site)
      assert.equal(await hasSession(browser), false)
      assertPage(await site.open(browser, { client_id: 'loose' }), 'login')
      const copy = await browser.copy({ origin: site.issuer })
      const resumed = await copy.get(`${site.issuer}/auth/${uidIn(page)}`)
      assertPage(resumed, 'error', 'expired', 410)
      assert.equal(await hasSession(copy), false)
    })

    test('who has a factor is asked for it even where policy does not require one (FB-4)', async () => {
      const { browser, person } = await atLogin()
      assertPage(await site.enter(browser, person, { client_id: 'loose' }), 'verify-totp')
      const nobodys = await site.person({ email: null })
      assertSignedIn(await site.enter(site.browser(), nobodys, { client_id: 'loose' }))
    })

    test('a forced enrolment is not left by another application, prompt=none, going back or starting anew (CVE-2025-3910, CVE-2026-94218)', async () => {
      const [person, browser] = [await site.person({ email: null }), site.browser()]
      const bind = assertPage(await site.enter(browser, person), 'bind-totp')
      assert.equal(await hasSession(browser), false)
      assertPage(await site.open(browser, { client_id: 'third' }), 'login')
      assertPage(await browser.get(bind.url), 'bind-totp')
      const csrf = bind.form?.hidden.csrf
      for (const action of ['later', 'skip', 'choose', 'resend', 'switch', 'allow', 'done']) {
        const answer = await browser.post(bind.url, { csrf, action }, { redirects: 'stop' })
        assert.ok(answer.location === undefined || answer.location === bind.url, `${action}: ${seen(answer)}`)
      }
      assert.equal(isSignedIn(await browser.get(`${site.issuer}/auth/${uidIn(bind)}`)), false)
      assertPage(await site.enter(browser, person), 'bind-totp')
      assert.deepEqual(await site.gateway.installation.bindings.list(person.id), [])
    })

    test('a session that was good for one application is not good for a stricter one', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      await site.bindApp(person)
      assertSignedIn(await site.enter(browser, person, { client_id: 'open' }))
      assertPage(await site.open(browser), 'verify-totp')
      const silent = await browser.get(requestOf(site.issuer, { prompt: 'none' }), { redirects: 'stop' })
      assert.equal(new URL(`${silent.location}`).searchParams.get('error'), 'interaction_required')
    })
  })

  describe('two people in one sign-in', () => {
    test('another name starts anew: what the first one proved counts for nobody (WE-3)', async () => {
      const other = await site.person()
      const secret = await site.bindApp(other)
      let one = await somebodyAsked(site)
      while (fitsNearby(secret, site.appCode(one.secret), site.now())) one = await somebodyAsked(site)
      const csrf = one.page.form?.hidden.csrf
      const fields = { csrf, step: 'login', username: other.username, password: other.password }
      const page = assertPage(await one.browser.post(one.page.url, fields), 'verify-totp')
      assertPage(await one.browser.submit(page, { code: site.appCode(one.secret) }), 'verify-totp', 'code', 401)
      assertSignedIn(await one.browser.submit(page, { code: site.appCode(secret) }))
      const events = await site.events('login.ok')
      assert.equal(
        events.some(({ account }) => account === one.person.id),
        false,
      )
      assert.equal(events.filter(({ account }) => account === other.id).length, 1)
    })

    test('a wrong password for another name does not end or take over what was proved', async () => {
      const one = await somebodyAsked(site)
      const csrf = one.page.form?.hidden.csrf
      const fields = { csrf, step: 'login', username: 'somebody', password: 'wrong' }
      assertPage(await one.browser.post(one.page.url, fields), 'login', 'credentials', 401)
      const page = assertPage(await one.browser.get(one.page.url), 'verify-totp')
      assertSignedIn(await one.browser.submit(page, { code: site.appCode(one.secret) }))
    })

    test('a step-up is its own account’s: nobody else’s password or code raises a session', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const secret = await site.bindApp(person)
      assertSignedIn(await site.enter(browser, person, { client_id: 'open' }))
      const page = assertPage(await site.open(browser), 'verify-totp')
      const other = await site.person()
      const theirs = await site.bindApp(other)
      assertPage(await browser.submit(page, { code: site.appCode(theirs) }), 'verify-totp', 'code', 401)
      const csrf = page.form?.hidden.csrf
      const fields = { csrf, step: 'login', username: other.username, password: other.password }
      assertPage(await browser.post(page.url, fields), 'login', 'credentials', 401)
      const again = assertPage(await browser.get(page.url), 'verify-totp')
      assertSignedIn(await browser.submit(again, { code: site.appCode(secret) }))
    })
  })

  describe('session fixation', () => {
    const session = async (browser: Browser): Promise<string> =>
      (await browser.cookies(site.issuer))['stepgate-session'] ?? ''

    test('a session cookie that was made up, or was not signed by us, is ignored', async () => {
      const real = await somebodySignedIn(site)
      const { cookie } = await header(real.browser, real.page, 'session')
      const value = await session(real.browser)
      for (const made of [
        'stepgate-session=fixed-by-an-attacker',
        `stepgate-session=${value}`,
        `stepgate-session=${value}; stepgate-session.sig=`,
        `stepgate-session=${value}; stepgate-session.sig=${'A'.repeat(43)}`,
        cookie.replace(/(?<=stepgate-session=)./, (first) => (first === 'A' ? 'B' : 'A')),
        cookie.replaceAll('stepgate-session', 'stepgate-interaction'),
      ]) {
        const browser = site.browser({ headers: { cookie: made } })
        const end = await browser.get(requestOf(site.issuer, { prompt: 'none' }), { redirects: 'stop' })
        assert.match(`${end.location}`, /error=login_required/, made)
      }
      // The whole of it, to know that the test can tell.
      const whole = site.browser({ headers: { cookie } })
      assert.ok(isSignedIn(await whole.get(requestOf(site.issuer, { prompt: 'none' }), { redirects: 'stop' })))
    })

    test('what a browser brings to a sign-in is not what it leaves with, and the old id is worth nothing (SE-2)', async () => {
      const attacker = await somebodySignedIn(site)
      const planted = await session(attacker.browser)
      const victim = await attacker.browser.copy({ origin: site.issuer })
      const person = await site.person()
      const secret = await site.bindApp(person)
      const login = assertPage(await victim.get(requestOf(site.issuer, { prompt: 'login' })), 'login')
      const next = await victim.submit(login, { username: person.username, password: person.password })
      const verify = next.page === 'switch-account' ? await victim.submit(next, { action: 'switch' }) : next
      assertSignedIn(await victim.submit(assertPage(verify, 'verify-totp'), { code: site.appCode(secret) }))
      assert.notEqual(await session(victim), planted)
      assert.equal(await hasSession(victim), true)
      // The attacker's copy is not signed in as the victim, nor as anybody.
      assert.equal(await hasSession(attacker.browser), false)
    })

    test('a step-up gives the session another id, and the old one is dead (SE-2)', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const secret = await site.bindApp(person)
      assertSignedIn(await site.enter(browser, person, { client_id: 'open' }))
      const before = await session(browser)
      const old = await browser.copy({ origin: site.issuer })
      const page = assertPage(await site.open(browser), 'verify-totp')
      assertSignedIn(await browser.submit(page, { code: site.appCode(secret) }))
      assert.notEqual(await session(browser), before)
      assert.equal(await hasSession(browser), true)
      assert.equal(await hasSession(old), false)
    })

    test('an interaction’s end is one end: its way back gives no second code', async () => {
      const { browser, page, secret } = await somebodyAsked(site)
      const thief = await browser.copy({ origin: site.issuer })
      assertSignedIn(await browser.submit(page, { code: site.appCode(secret) }))
      for (const who of [browser, thief]) {
        const again = await who.get(`${site.issuer}/auth/${uidIn(page)}`, { redirects: 'stop' })
        assert.equal(isSignedIn(again), false, seen(again))
      }
      assert.equal(await hasSession(thief), false)
      assertPage(await thief.get(page.url), 'error', 'expired', 410)
    })
  })

  test('one kind of secret is no other kind (GHSA-5vfx-8w6m-h3v4)', async () => {
    const { browser, page, end } = await somebodySignedIn(site)
    const code = new URL(`${end.location}`).searchParams.get('code') ?? ''
    const sessionId = (await browser.cookies(site.issuer))['stepgate-session'] ?? ''
    const credentials = { client_id: CLIENT.client_id, client_secret: CLIENT.client_secret }
    const post = (fields: Record<string, string>) =>
      site.send('POST', '/token', {
        body: `${new URLSearchParams({ ...credentials, redirect_uri: REDIRECT, code_verifier: 'x'.repeat(43), ...fields })}`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      })
    for (const value of [sessionId, uidIn(page)]) {
      assert.equal((await post({ grant_type: 'authorization_code', code: value })).status, 400)
      assert.equal((await post({ grant_type: 'refresh_token', refresh_token: value })).status, 400)
      const headers = { authorization: `Bearer ${value}` }
      assert.equal((await site.send('GET', '/me', { headers })).status, 401)
    }
    assert.equal((await post({ grant_type: 'refresh_token', refresh_token: code })).status, 400)
    assert.equal((await site.send('GET', '/me', { headers: { authorization: `Bearer ${code}` } })).status, 401)
    const uri = `urn:ietf:params:oauth:request_uri:${code}`
    const answer = await site.send('GET', `/auth?client_id=app&request_uri=${encodeURIComponent(uri)}`)
    assert.equal(answer.status, 400)
  })

  test('none of it was our fault', () => assert.deepEqual(site.faults, []))
})
