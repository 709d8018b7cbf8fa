import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { answerIn, askFor, newMember, onBothStores, seen, signInAt, walkOn } from './protocol-site.ts'

const MFA = 'urn:stepgate:acr:mfa'
const MINUTE = 60_000

const finance = { name: 'finance', when: { clients: ['finance'] }, maxAge: '5m', require: 'mfa' }

onBothStores('how old a sign-in may be', (testSite) => {
  const site = testSite({
    mail: 'on',
    parties: {
      app: { clockTolerance: 5 },
      finance: {},
      aged: { clockTolerance: 5, metadata: { default_max_age: 60 } },
    },
    config: { mfa: { enabled: true, methods: ['email', 'totp'] }, policy: { rules: [finance] } },
  })

  /** The gateway's clock stands so many minutes behind the engine's. */
  const behind = (minutes: number): void => {
    const { clock } = site.gateway
    clock.advance(Date.now() - minutes * MINUTE - clock.now())
  }
  const seconds = (): number => Math.floor(site.gateway.clock.now() / 1000)

  /** A browser that signed in so many minutes ago. */
  async function signedIn(minutes: number, given: { remember?: 'on' } = {}) {
    const member = await newMember(site)
    const browser = site.browser()
    behind(minutes)
    const { claims } = await signInAt(site, browser, member, { by: 'totp', ...given })
    behind(0)
    return { member, browser, claims }
  }

  test('within max_age nothing is asked, and the time stays what it was', async () => {
    const { member, browser, claims } = await signedIn(1)
    const again = await signInAt(site, browser, member, { parameters: { max_age: '600' } })
    assert.deepEqual(again.pages, [])
    assert.equal(again.claims.auth_time, claims.auth_time)
  })

  for (const party of ['app', 'aged']) {
    test(`${party}: beyond max_age password and factor are asked again, and the token has the new time (X3, OA-10)`, async () => {
      const { member, browser } = await signedIn(10)
      const before = seconds()
      const parameters = party === 'app' ? { max_age: '60' } : {}
      const again = await signInAt(site, browser, member, { party, by: 'totp', parameters })
      assert.deepEqual(again.pages, ['login', 'verify-totp'])
      assert.ok(Number(again.claims.auth_time) >= before, `${again.claims.auth_time} < ${before}`)
      assert.equal(again.claims.acr, MFA)
    })
  }

  test('max_age on a remembered device asks for the factor too (E5, TD-7)', async () => {
    const { member, browser } = await signedIn(10, { remember: 'on' })
    const again = await signInAt(site, browser, member, { by: 'totp', parameters: { max_age: '60' } })
    assert.deepEqual(again.pages, ['login', 'verify-totp'])
  })

  test('max_age=0 and prompt=login ask for everything, however fresh', async () => {
    const { member, browser, claims } = await signedIn(1)
    for (const parameters of [{ max_age: '0' }, { prompt: 'login' }]) {
      const before = seconds()
      const again = await signInAt(site, browser, member, { by: 'totp', parameters })
      assert.deepEqual(again.pages, ['login', 'verify-totp'])
      assert.ok(Number(again.claims.auth_time) >= before && Number(again.claims.auth_time) > Number(claims.auth_time))
    }
  })

  test('a factor that takes longer than max_age does not ask for ever', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    behind(2)
    let page = await browser.get(await site.party().authorize({ max_age: '60' }))
    page = await browser.submit(page, { username: member.username, password: member.password })
    behind(0)
    const { pages, end } = await walkOn(site, browser, member, page, { by: 'totp' })
    assert.deepEqual(pages, ['verify-totp'])
    assert.match(`${end.location}`, /[?&]code=/, seen(end))
  })

  test('a step-up that outlasts max_age asks for the password as well: its old one is too old by then (X3)', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    behind(0)
    await signInAt(site, browser, member, { by: 'email' })
    const asked = await site.party().authorize({ max_age: '3', acr_values: MFA })
    const page = await browser.get(asked)
    assert.equal(page.page, 'verify-totp', seen(page))
    // The engine's clock is the machine's.
    await pause(4200)
    site.gateway.clock.catchUp()
    const { pages, end } = await walkOn(site, browser, member, page, { by: 'totp' })
    assert.deepEqual(pages.slice(0, 2), ['verify-totp', 'login'])
    const { claims } = await site.party().callback(`${end.location}`)
    assert.equal(claims.acr, MFA)
    assert.ok(Number(claims.auth_time) >= seconds() - 3, `${claims.auth_time}, now ${seconds()}`)
  })

  test('prompt=none beyond max_age is login_required', async () => {
    const { browser } = await signedIn(10)
    const answer = await browser.get(await site.party().authorize({ prompt: 'none', max_age: '60' }))
    assert.equal(new URL(`${answer.location}`).searchParams.get('error'), 'login_required')
  })

  test('what is cancelled at prompt=login leaves the session as it was (CVE-2023-6787)', async () => {
    const { member, browser, claims } = await signedIn(1)
    let page = await browser.get(await site.party().authorize({ prompt: 'login' }))
    const stranger = await newMember(site)
    page = await browser.submit(page, { username: stranger.username, password: stranger.password })
    await browser.submit(page, { action: 'cancel' })
    const again = await signInAt(site, browser, member)
    assert.deepEqual([again.pages, again.claims.sub], [[], member.id])
    assert.deepEqual(again.claims.auth_time, claims.auth_time)
  })

  test("a rule's maxAge ages each proof by itself and asks for the stale one alone; the older of both is the time (F3, SE-5)", async () => {
    const member = await newMember(site)
    const browser = site.browser()
    behind(6)
    await signInAt(site, browser, member, { by: 'email' })
    behind(3)
    const factor = seconds()
    const app = await signInAt(site, browser, member, { by: 'totp', parameters: { acr_values: MFA } })
    assert.deepEqual(app.pages, ['verify-totp'])
    behind(0)
    const stale = await signInAt(site, browser, member, { party: 'finance', by: 'totp' })
    assert.deepEqual(stale.pages, ['login'])
    assert.ok(Math.abs(Number(stale.claims.auth_time) - factor) <= 5, `${stale.claims.auth_time}, code at ${factor}`)
    assert.equal(stale.claims.acr, MFA)
    assert.deepEqual((await signInAt(site, browser, member, { party: 'finance' })).pages, [])
  })

  test('the session of another account in an id_token_hint asks for a sign-in (OA-19)', async () => {
    const { browser } = await signedIn(1)
    const other = await newMember(site)
    const { tokens } = await signInAt(site, site.browser(), other, { by: 'totp' })
    const hint = { id_token_hint: `${tokens.id_token}` }
    const silent = await browser.get(await site.party().authorize({ ...hint, prompt: 'none' }))
    assert.equal(new URL(`${silent.location}`).searchParams.get('error'), 'login_required')
    const page = await browser.get(await site.party().authorize(hint))
    assert.equal(page.page, 'login', seen(page))
  })

  test('whoever answers a request for somebody else by name is no loop and no sign-in: the relying party hears it (OA-19)', async () => {
    const { browser, member } = await signedIn(1)
    const other = await newMember(site)
    const { tokens } = await signInAt(site, site.browser(), other, { by: 'totp' })
    const claims = JSON.stringify({ id_token: { sub: { value: other.id } } })
    for (const asked of [{ id_token_hint: `${tokens.id_token}` }, { claims }]) {
      const { end, pages } = await askFor(site, browser, member, { by: 'totp', parameters: asked })
      assert.deepEqual(pages, ['login', 'verify-totp'])
      assert.deepEqual([answerIn(end).error, answerIn(end).code], ['login_required', undefined])
    }
    const own = await signInAt(site, site.browser(), other, {
      by: 'totp',
      parameters: { id_token_hint: `${tokens.id_token}` },
    })
    assert.equal(own.claims.sub, other.id)
  })
})
