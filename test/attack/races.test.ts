import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CLIENT } from '../harness/gateway.ts'
import {
  assertPage,
  assertSignedIn,
  type Browser,
  type BrowserResponse,
  CREDENTIALS,
  codeIn,
  FORM,
  isSignedIn,
  onServers,
  type Person,
  REDIRECT,
  seen,
  somebodyAsked,
  somebodySignedIn,
  VERIFIER,
} from './site.ts'

/**
 * Everything that may happen once, or so often, is asked for many times at the same moment: code that reads, decides
 * and then writes lets all of them through (CVE-2024-4629, GHSA-7h8m-vrxx-vr4m, CVE-2026-1035). A few milliseconds of
 * latency around every store make sure that such code loses here as it would in production.
 */

const LATENCY = 4
const times = <R>(count: number, work: (index: number) => Promise<R>): Promise<R[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)))
const count = (answers: readonly BrowserResponse[], status: number): number =>
  answers.filter((answer) => answer.status === status).length

onServers('races', (testSite) => {
  const site = testSite({
    latency: LATENCY,
    mail: 'on',
    config: {
      limits: { passwordTries: 12 },
      mfa: { enabled: true, methods: ['totp', 'email'], email: { maxSendsPerHour: 5 } },
      clients: [
        { ...CLIENT, grant_types: ['authorization_code', 'refresh_token'] },
        {
          client_id: 'public',
          token_endpoint_auth_method: 'none',
          redirect_uris: CLIENT.redirect_uris,
          grant_types: ['authorization_code', 'refresh_token'],
        },
        { ...CLIENT, client_id: 'mailed', client_secret: 'Bk5nP8wRz2Xc7Tm4Vd9Qe3Hy6Ls1Jf0G' },
      ],
      policy: { rules: [{ name: 'mailed', when: { clients: ['mailed'] }, methods: ['email'] }] },
    },
  })

  interface Waiting {
    browser: Browser
    page: BrowserResponse
  }

  /** Browsers of one person, each on the page that asks for the code. */
  function waiting(person: Person, browsers: number, parameters?: Record<string, string>): Promise<Waiting[]> {
    return times(browsers, async () => {
      const browser = site.browser()
      return { browser, page: await site.enter(browser, person, parameters) }
    })
  }

  async function judged(person: Person): Promise<number> {
    const events = await site.events('otp.fail')
    const own = events.filter(({ account }) => account === person.id)
    return own.filter(({ details }) => details?.reason !== 'throttled').length
  }

  const post = (path: string, fields: Record<string, string>) =>
    site.send('POST', path, { body: `${new URLSearchParams(fields)}`, headers: { 'content-type': FORM } })

  test('one code of an app in two browsers: one gets in (CVE-2021-43177)', async () => {
    for (let round = 0; round < 3; round++) {
      const person = await site.person()
      const secret = await site.bindApp(person)
      const tabs = await waiting(person, 2)
      const code = site.appCode(secret)
      const answers = await Promise.all(tabs.map(({ browser, page }) => browser.submit(page, { code })))
      assert.equal(answers.filter(isSignedIn).length, 1, answers.map(seen).join('\n'))
      assert.equal(count(answers, 401), 1)
    }
  })

  test('one mailed code, sent eight times by a double click: one sign-in', async () => {
    const person = await site.person()
    const [tab] = await waiting(person, 1, { client_id: 'mailed' })
    assert.ok(tab !== undefined)
    assertPage(tab.page, 'verify-email')
    const code = site.smtp.codeFor(`${person.email}`)
    const answers = await times(8, () => tab.browser.submit(tab.page, { code }, { redirects: 'stop' }))
    const events = await site.events('otp.ok')
    assert.equal(events.filter(({ account }) => account === person.id).length, 1)
    for (const answer of answers) assert.ok(answer.status < 500, seen(answer))
  })

  test('thirty wrong codes at once in one sign-in: no more than five are judged (CVE-2024-4629)', async () => {
    const person = await site.person()
    const secret = await site.bindApp(person)
    const [tab] = await waiting(person, 1)
    assert.ok(tab !== undefined)
    const answers = await times(30, () => tab.browser.submit(tab.page, { code: '00000' }))
    assert.equal(count(answers, 401), 5, answers.map(seen).join('\n'))
    assert.equal(count(answers, 429), 25)
    assert.equal(await judged(person), 5)
    // Not even the right one now.
    assert.equal((await tab.browser.submit(tab.page, { code: site.appCode(secret) })).status, 429)
  })

  test('thirty wrong codes at once from ten browsers: no more than ten are judged, whatever the sign-in (GHSA-c55g-q6f4-5qxr)', async () => {
    const person = await site.person()
    await site.bindApp(person)
    const tabs = await waiting(person, 10)
    const answers = await times(30, (index) => {
      const { browser, page } = tabs[index % 10] as Waiting
      return browser.submit(page, { code: '00000' })
    })
    assert.equal(answers.filter(isSignedIn).length, 0)
    assert.ok(count(answers, 401) <= 10, answers.map(seen).join('\n'))
    assert.equal(await judged(person), count(answers, 401))
  })

  test('forty passwords at once for one name: no more than twelve are judged (GHSA-7h8m-vrxx-vr4m)', async () => {
    const person = await site.person()
    const tabs = await times(8, async () => {
      const browser = site.browser()
      return { browser, page: await site.open(browser) }
    })
    const spellings = [person.username, person.username.toUpperCase(), ` ${person.username} `, `${person.email}`]
    const answers = await times(40, (index) => {
      const { browser, page } = tabs[index % 8] as Waiting
      return browser.submit(page, { username: `${spellings[index % 4]}`, password: 'wrong' })
    })
    assert.equal(count(answers, 401) + count(answers, 429), 40, answers.map(seen).join('\n'))
    // One more may slip in between the last free try and the gate that it closes.
    assert.ok(
      count(answers, 401) <= 13,
      `${count(answers, 401)} judged (CVE-2025-24806: one count for name and address)`,
    )
  })

  describe('mails', () => {
    const mailsTo = (person: Person) => site.smtp.codesTo(`${person.email}`)

    test('the password sent six times, and the page opened six times, at once: one mail', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const login = await site.open(browser, { client_id: 'mailed' })
      const fields = { username: person.username, password: person.password }
      const answers = await times(6, () => browser.submit(login, fields))
      for (const answer of answers) assert.ok(answer.status < 500, seen(answer))
      const pages = await times(6, () => browser.get(login.url))
      for (const page of pages) assertPage(page, 'verify-email')
      assert.equal(mailsTo(person), 1)
      assertSignedIn(await browser.submit(pages[0] as BrowserResponse, { code: site.smtp.codeFor(`${person.email}`) }))
    })

    test('"send again" pressed six times at once after a minute: one mail more, and its code is the good one', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const page = assertPage(await site.enter(browser, person, { client_id: 'mailed' }), 'verify-email')
      const first = site.smtp.codeFor(`${person.email}`)
      site.gateway.clock.advance(61_000)
      const answers = await times(6, () => browser.submit(page, { action: 'resend' }))
      for (const answer of answers) assert.ok([200, 429].includes(answer.status), seen(answer))
      assert.equal(mailsTo(person), 2)
      const second = site.smtp.codeFor(`${person.email}`)
      if (first !== second) assertPage(await browser.submit(page, { code: first }), 'verify-email', 'code', 401)
      assertSignedIn(await browser.submit(page, { code: second }))
    })

    test('ten sign-ins of one person begun at once: no more mails than an hour allows (EM-7)', async () => {
      const person = await site.person()
      const tabs = await waiting(person, 10, { client_id: 'mailed' })
      assert.equal(mailsTo(person), 5, tabs.map(({ page }) => seen(page)).join('\n'))
    })
  })

  describe('tokens', () => {
    const GRANT = { grant_type: 'authorization_code', redirect_uri: REDIRECT, code_verifier: VERIFIER }
    const redeem = (code: string) => post('/token', { ...CREDENTIALS, ...GRANT, code })

    test('one authorization code, redeemed eight times at once: one gets tokens, and they die with the replay (X5, OA-3)', async () => {
      const code = codeIn((await somebodySignedIn(site)).end)
      const answers = await times(8, () => redeem(code))
      const won = answers.filter(({ status }) => status === 200)
      assert.equal(won.length, 1)
      for (const { status, body } of answers) assert.ok(status === 200 || /invalid_grant/.test(`${body}`), `${body}`)
      const { access_token } = JSON.parse(`${won[0]?.body}`)
      const { body } = await post('/token/introspection', { ...CREDENTIALS, token: access_token })
      assert.deepEqual(JSON.parse(`${body}`), { active: false })
      assert.ok((await site.events('code.replay')).length > 0)
    })

    test('one refresh token of a public client, used six times at once: one gets a new one, and the family dies (CVE-2026-1035)', async () => {
      const { browser } = await somebodySignedIn(site)
      const code = codeIn(await site.open(browser, { client_id: 'public' }))
      const given = await post('/token', { client_id: 'public', ...GRANT, code })
      assert.equal(given.status, 200, `${given.body}`)
      const refresh = (token: string) =>
        post('/token', { client_id: 'public', grant_type: 'refresh_token', refresh_token: token })
      const { refresh_token } = JSON.parse(`${given.body}`)
      const answers = await times(6, () => refresh(refresh_token))
      const won = answers.filter(({ status }) => status === 200)
      assert.equal(won.length, 1, `${answers.map(({ status }) => status)}`)
      const next = JSON.parse(`${won[0]?.body}`).refresh_token
      assert.notEqual(next, refresh_token)
      assert.equal((await refresh(next)).status, 400)
    })
  })

  test('code and cancel at once: the relying party gets one answer', async () => {
    for (let round = 0; round < 3; round++) {
      const { browser, page, secret } = await somebodyAsked(site)
      const stop = { redirects: 'stop' } as const
      const answers = await Promise.all([
        browser.submit(page, { code: site.appCode(secret) }, stop),
        browser.submit(page, { action: 'cancel' }, stop),
      ])
      for (const answer of answers) assert.ok(answer.status < 500, seen(answer))
      const ends: string[] = []
      for (const { location } of answers) {
        const end = location === undefined ? undefined : await browser.get(location)
        if (end?.location?.startsWith(REDIRECT)) ends.push(outcomeOf(end.location))
      }
      assert.equal(new Set(ends).size, 1, ends.join())
    }
  })

  test('none of it was our fault', () => assert.deepEqual(site.faults, []))
})

function outcomeOf(location: string): string {
  const { searchParams } = new URL(location)
  return searchParams.has('code') ? 'code' : `${searchParams.get('error')}`
}
