import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CLIENT } from '../harness/gateway.ts'
import type { SendOptions } from '../harness/http-client.ts'
import {
  assertPage,
  assertSignedIn,
  type BrowserResponse,
  isSignedIn,
  onServers,
  requestOf,
  seen,
  somebodyAsked,
  somebodySignedIn,
} from './site.ts'

/**
 * A page of somebody else makes the victim's browser send our forms: to sign the victim in as the attacker (login
 * CSRF), to spend a code, to allow an application. The browser adds its cookies by itself; what it cannot add is the
 * form's token, and it says itself where the form stood (WE-1, WE-2).
 */

const SITE = 'https://evil.example/page'

/** What a browser says of a form that stood elsewhere. */
const FOREIGN: [what: string, headers: Record<string, string | undefined>][] = [
  ['Origin of another site', { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' }],
  ['Origin null, of a sandboxed frame or a data: page', { origin: 'null', 'sec-fetch-site': 'cross-site' }],
  ['Origin null and nothing else', { origin: 'null', 'sec-fetch-site': undefined }],
  ['Origin of another port', { origin: 'http://127.0.0.1:1', 'sec-fetch-site': 'same-site' }],
  ['Origin with another scheme', { origin: 'https://127.0.0.1', 'sec-fetch-site': 'cross-site' }],
  ['no Origin, but Sec-Fetch-TestSite: cross-site', { origin: undefined, 'sec-fetch-site': 'cross-site' }],
  ['no Origin, but Sec-Fetch-TestSite: same-site', { origin: undefined, 'sec-fetch-site': 'same-site' }],
  ['an Origin that begins like ours', { origin: 'ISSUER.evil.example', 'sec-fetch-site': undefined }],
  ['an Origin in which ours stands', { origin: 'https://evil.example?ISSUER', 'sec-fetch-site': undefined }],
]

onServers('cross-site request forgery', (testSite) => {
  const site = testSite({
    mail: 'on',
    config: {
      mfa: { enabled: true, methods: ['totp', 'email'] },
      policy: {
        rules: [
          { name: 'loose', when: { clients: ['loose'] }, secondFactor: 'off' },
          { name: 'mailed', when: { clients: ['mailed'] }, methods: ['email'] },
        ],
      },
      clients: [
        CLIENT,
        { ...CLIENT, client_id: 'loose', client_secret: 'Nq3bV7xTz1Rk5Mw9Cd2Fy6Hp8Ls4Jg0E' },
        { ...CLIENT, client_id: 'mailed', client_secret: 'Bk5nP8wRz2Xc7Tm4Vd9Qe3Hy6Ls1Jf0G' },
        { ...CLIENT, client_id: 'third', client_secret: 'Zr8mQ1wXc5Tn7Kv2Lb9Ye4Hs6Gd3Jf0U', firstParty: false },
      ],
    },
  })

  function headersOf(headers: Record<string, string | undefined>): SendOptions {
    const given = Object.entries(headers).map(([name, value]) => [name, value?.replace('ISSUER', site.issuer)])
    return { headers: Object.fromEntries(given) }
  }

  test('without its token, with an empty, a changed or an old one no form is taken (WE-1)', async () => {
    const { browser, page, secret } = await somebodyAsked(site)
    const { csrf = '', ...rest } = page.form?.hidden ?? {}
    const code = site.appCode(secret)
    const changed = `${csrf.slice(0, -1)}${csrf.endsWith('A') ? 'B' : 'A'}`
    const tokens = [undefined, '', 'x', changed, csrf.toLowerCase(), `${csrf} `, ` ${csrf}`, csrf.slice(1), `${csrf}A`]
    for (const token of tokens) {
      const answer = await browser.post(`${page.form?.action}`, { ...rest, code, csrf: token })
      assertPage(answer, 'error', 'csrf', 403)
    }
    assertPage(
      await browser.post(`${page.form?.action}`, { ...rest, code, CSRF: csrf, Csrf: csrf }),
      'error',
      'csrf',
      403,
    )
    assertSignedIn(await browser.submit(page, { code }))
    // The first of a minute tells the story: nobody fills the audit log.
    assert.equal((await site.events('csrf.rejected')).length, 1)
  })

  test('the token of another sign-in in the same browser is no token of this one', async () => {
    const { browser, page, secret } = await somebodyAsked(site)
    const other = await site.open(browser)
    const csrf = other.form?.hidden.csrf
    const step = page.form?.hidden.step
    assert.notEqual(csrf, page.form?.hidden.csrf)
    // The other sign-in has taken the interaction cookies' place only on its own path.
    const code = site.appCode(secret)
    assertPage(await browser.post(`${page.form?.action}`, { csrf, step, code }), 'error', 'csrf', 403)
    assertSignedIn(await browser.submit(page, { code }))
  })

  test('the token of another browser for the same sign-in is no token of this one', async () => {
    const { browser, page, secret } = await somebodyAsked(site)
    const thief = await browser.copy()
    await thief.clear('stepgate-browser')
    const seenByThief = await thief.get(page.url)
    assert.notEqual(seenByThief.form?.hidden.csrf, page.form?.hidden.csrf)
    const code = site.appCode(secret)
    assertPage(await thief.post(`${page.form?.action}`, { ...page.form?.hidden, code }), 'error', 'csrf', 403)
    const csrf = seenByThief.form?.hidden.csrf
    assertPage(await browser.post(`${page.form?.action}`, { ...page.form?.hidden, csrf, code }), 'error', 'csrf', 403)
    assertSignedIn(await browser.submit(page, { code }))
  })

  test('a browser that has kept no cookie cannot send a form, not even with the token of its page', async () => {
    const page = await site.open(site.browser())
    const person = await site.person()
    const { username, password } = person
    const answer = await site.browser().post(`${page.form?.action}`, { ...page.form?.hidden, username, password })
    assertPage(answer, 'error', 'csrf', 403)
  })

  describe('a form that stood elsewhere is refused even with the right token', () => {
    for (const [what, headers] of FOREIGN) {
      test(what, async () => {
        const { browser, page, secret } = await somebodyAsked(site)
        const given = headersOf(headers)
        const code = site.appCode(secret)
        assertPage(await browser.submit(page, { code }, given), 'error', 'csrf', 403)
        assertSignedIn(await browser.submit(page, { code }))
      })
    }
  })

  test('browsers that say nothing, and ones that say the truth, are let in: then the token decides', async () => {
    for (const headers of [
      { origin: undefined, 'sec-fetch-site': undefined },
      { origin: undefined, 'sec-fetch-site': 'same-origin' },
      { origin: undefined, 'sec-fetch-site': 'none' },
      { origin: site.issuer, 'sec-fetch-site': undefined },
    ]) {
      const { browser, page, secret } = await somebodyAsked(site)
      assertSignedIn(await browser.submit(page, { code: site.appCode(secret) }, headersOf(headers)))
    }
  })

  test('login CSRF: an attacker’s name and password, sent by the victim’s browser, sign nobody in (WE-2)', async () => {
    const attacker = await site.person()
    const forAttacker = await site.open(site.browser())
    const victim = site.browser()
    const open = await site.open(victim)
    const { username, password } = attacker
    for (const { form } of [forAttacker, open]) {
      const fields = { csrf: forAttacker.form?.hidden.csrf, step: 'login', username, password }
      const answer = await victim.post(`${form?.action}`, fields, { from: SITE })
      assert.ok([403, 410].includes(answer.status), seen(answer))
    }
    // Even where the attacker could know the token, the browser says where the form stood, and leaves its cookies out.
    const fields = { ...open.form?.hidden, username, password }
    assertPage(await victim.post(`${open.form?.action}`, fields, { from: SITE }), 'error', 'csrf', 403)
    assert.equal(
      (await site.events('login.ok')).some(({ account }) => account === attacker.id),
      false,
    )
  })

  test('consent: no other site presses the button', async () => {
    const { browser } = await somebodySignedIn(site)
    const page = assertPage(await site.open(browser, { client_id: 'third' }), 'consent')
    const fields = { ...page.form?.hidden, action: 'allow' }
    assertPage(await browser.post(`${page.form?.action}`, fields, { from: SITE }), 'error', 'csrf', 403)
    const without = { ...fields, csrf: undefined }
    assertPage(await browser.post(`${page.form?.action}`, without), 'error', 'csrf', 403)
    assert.equal((await site.events('consent.granted')).length, 0)
    assertSignedIn(await browser.submit(page, { action: 'allow' }))
  })

  test('cancelling is guarded too: nobody ends a sign-in from outside', async () => {
    const { browser, page, secret } = await somebodyAsked(site)
    const step = page.form?.hidden.step
    assertPage(await browser.post(`${page.form?.action}`, { step, action: 'cancel' }), 'error', 'csrf', 403)
    assertPage(await browser.post(`${page.form?.action}`, { action: 'cancel' }, { from: SITE }), 'error', 'csrf', 403)
    assertSignedIn(await browser.submit(page, { code: site.appCode(secret) }))
  })

  test('logout: a form of another site, without or with a guessed token, signs nobody out (LO-1)', async () => {
    const { browser } = await somebodySignedIn(site)
    const page = assertPage(await browser.get(`${site.issuer}/session/end`), 'logout')
    const { xsrf = '' } = page.form?.hidden ?? {}
    for (const fields of [{ logout: 'yes' }, { logout: 'yes', xsrf: 'x' }, { logout: 'yes', xsrf: '' }]) {
      for (const from of [SITE, page.url]) {
        const answer = await browser.post(`${page.form?.action}`, fields, { from, redirects: 'stop' })
        assert.ok(answer.status >= 400, seen(answer))
      }
    }
    // A cross-site post carries no SameSite=Lax cookie, so that even the right token is nobody's.
    const right = await browser.post(`${page.form?.action}`, { logout: 'yes', xsrf }, { from: SITE, redirects: 'stop' })
    assert.ok(right.status >= 400, seen(right))
    assertSignedIn(await site.open(browser))
  })

  describe('what is only read changes nothing (WE-4)', () => {
    test('GET and HEAD of a page with a code send no further mail and leave the code alone', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const entered = await site.enter(browser, person)
      const page = entered.page === 'choose' ? await browser.submit(entered, { method: 'email' }) : entered
      assertPage(page, 'verify-email')
      const code = site.smtp.codeFor(`${person.email}`)
      const count = site.smtp.codesTo(`${person.email}`)
      for (let time = 0; time < 3; time++) {
        assertPage(await browser.get(page.url), 'verify-email')
        assert.equal((await browser.send('HEAD', page.url, undefined)).status, 200)
        // Buttons in an address are no buttons.
        for (const query of ['action=resend', 'action=cancel', `code=${code}`, 'action=choose', 'method=totp']) {
          assertPage(await browser.get(`${page.url}?${query}&csrf=${page.form?.hidden.csrf}`), 'verify-email')
        }
      }
      assert.equal(site.smtp.codesTo(`${person.email}`), count)
      assertSignedIn(await browser.submit(page, { code }))
    })

    test('HEAD makes no code and sends no mail, also where the page would', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      assertSignedIn(await site.enter(browser, person, { client_id: 'loose' }))
      const sent = () => site.smtp.codesTo(`${person.email}`)
      const { location = '' } = await browser.get(requestOf(site.issuer, { client_id: 'mailed' }), {
        redirects: 'stop',
      })
      for (let time = 0; time < 3; time++) {
        assert.equal((await browser.send('HEAD', location, undefined)).status, 200)
      }
      assert.equal(sent(), 0)
      const page = assertPage(await browser.get(location), 'verify-email')
      assert.equal(sent(), 1)
      assertSignedIn(await browser.submit(page, { code: site.smtp.codeFor(`${person.email}`) }))
    })

    test('a key to scan stays the same for as many looks as there are', async () => {
      const [person, browser] = [await site.person({ email: null }), site.browser()]
      const page = assertPage(await site.enter(browser, person), 'bind-totp')
      const secret = page.text('[data-secret]')
      for (let time = 0; time < 3; time++) {
        await browser.send('HEAD', page.url, undefined)
        assert.equal((await browser.get(page.url)).text('[data-secret]'), secret)
      }
      assert.deepEqual(await site.gateway.installation.bindings.list(person.id), [])
      const answers: BrowserResponse[] = [
        await browser.get(`${page.url}?code=${site.appCode(secret)}`),
        await browser.send('HEAD', `${page.url}?code=${site.appCode(secret)}`, undefined),
      ]
      assert.equal(answers.some(isSignedIn), false)
      assert.deepEqual(await site.gateway.installation.bindings.list(person.id), [])
    })

    test('an image of the logout address on another site signs nobody out', async () => {
      const { browser } = await somebodySignedIn(site)
      for (const method of ['GET', 'HEAD']) {
        await browser.send(method, `${site.issuer}/session/end?client_id=app`, undefined, { from: SITE })
        await browser.send(method, `${site.issuer}/session/end/confirm?logout=yes`, undefined, { from: SITE })
      }
      assertSignedIn(await site.open(browser))
    })
  })
})
