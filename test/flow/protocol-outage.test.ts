import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { exchange } from '../harness/exchange.ts'
import {
  answerIn,
  askFor,
  type BrowserResponse,
  BY_HAND,
  newMember,
  onBothStores,
  onServers,
  postForm,
  redeemByHand,
  seen,
  signInAt,
  tokenRequest,
  userinfoStatus,
  walkOn,
} from './protocol-site.ts'

onBothStores('a gateway that ends and starts again', (testSite) => {
  const site = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['email', 'totp'] } } })

  for (const by of ['totp', 'email'] as const) {
    test(`between password and code: the same browser finishes (${by})`, async () => {
      const member = await newMember(site, by === 'email' ? { app: 'none' } : {})
      const browser = site.browser()
      let page = await browser.get(await site.party().authorize())
      page = await browser.submit(page, { username: member.username, password: member.password })
      if (page.page === 'choose') page = await browser.submit(page, { method: by })
      assert.equal(page.page, `verify-${by}`, seen(page))
      await site.gateway.restart()
      const code = by === 'email' ? site.smtp.codeFor(`${member.email}`) : member.nextCode()
      const end = await browser.submit(page, { code })
      assert.equal((await site.party().callback(`${end.location}`)).claims.sub, member.id)
    })
  }

  test('between binding page and code: the key that was scanned is bound', async () => {
    const member = await newMember(site, { app: 'none', email: null })
    const browser = site.browser()
    let page = await browser.get(await site.party().authorize())
    page = await browser.submit(page, { username: member.username, password: member.password })
    assert.equal(page.page, 'bind-totp', seen(page))
    const secret = page.text('[data-secret]')
    await site.gateway.restart()
    const again = await browser.get(page.url)
    assert.equal(again.text('[data-secret]'), secret)
    const { end } = await walkOn(site, browser, member, page)
    assert.equal((await site.party().callback(`${end.location}`)).claims.sub, member.id)
  })

  test('sessions, codes and tokens outlive it', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const { tokens, claims } = await signInAt(site, browser, member, { by: 'totp' })
    const { end } = await askFor(site, browser, member, { parameters: BY_HAND })
    await site.gateway.restart()
    assert.equal((await redeemByHand(site.party(), end)).status, 200)
    assert.equal(await userinfoStatus(site.party(), tokens.access_token), 200)
    assert.equal((await site.party().refresh(`${tokens.refresh_token}`)).claims.sub, member.id)
    const again = await signInAt(site, browser, member)
    assert.deepEqual([again.pages, again.claims.auth_time], [[], claims.auth_time])
  })

  test('a code that was used before it stays used', async () => {
    const { end } = await askFor(site, site.browser(), await newMember(site), { by: 'totp', parameters: BY_HAND })
    assert.equal((await redeemByHand(site.party(), end)).status, 200)
    await site.gateway.restart()
    assert.equal((await redeemByHand(site.party(), end)).body.error, 'invalid_grant')
  })
})

/** Milliseconds within which a dead store must be said to be dead (FA-1). */
const QUICK = 2000

onServers('Redis dies and comes back', (testSite) => {
  const site = testSite()

  async function quick<T>(work: () => Promise<T>): Promise<T> {
    const started = performance.now()
    const answer = await work()
    const took = performance.now() - started
    assert.ok(took < QUICK, `${Math.round(took)} ms`)
    return answer
  }

  const asParty = async (endpoint: string, token: string) => {
    const { client_id, client_secret = '' } = site.party().client
    return postForm(endpoint, { client_id, client_secret, token })
  }
  const ready = async (): Promise<number> => (await exchange({ url: `${site.gateway.issuer}/readyz` })).status
  async function recovered(): Promise<void> {
    for (let tries = 0; (await ready()) !== 200; tries += 1) {
      assert.ok(tries < 100, 'it did not recover')
      await pause(100)
    }
  }
  const toldOrShown = (answer: BrowserResponse): string =>
    answer.location === undefined ? `${answer.status} ${answer.error}` : `${answerIn(answer).error}`

  test('every way in answers 503 at once, nothing is let through, and all goes on when it is back (FA-1)', async () => {
    const { redis } = site.stores
    assert.ok(redis !== undefined)
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party()
    const { tokens } = await signInAt(site, browser, member)
    const { end } = await askFor(site, browser, member, { parameters: BY_HAND })
    const waiting = site.browser()
    const login = await waiting.get(await rp.authorize())
    assert.equal(login.page, 'login')
    assert.equal(await ready(), 200)

    await redis.kill()
    for (let round = 0; round < 3; round += 1) {
      for (const asking of [browser, site.browser()]) {
        const url = await rp.authorize()
        const answer = await quick(() => asking.get(url))
        assert.match(toldOrShown(answer), /^(?:503 unavailable|temporarily_unavailable)$/)
      }
      const { username, password } = member
      const posted = await quick(() => waiting.submit(login, { username, password }))
      assert.deepEqual([posted.status, posted.error], [503, 'unavailable'], seen(posted))
      assert.match(`${posted.headers['retry-after']}`, /^\d+$/)
      const redeemed = await quick(() => redeemByHand(rp, end))
      assert.deepEqual([redeemed.status, redeemed.body.error], [503, 'temporarily_unavailable'])
      const given = { grant_type: 'refresh_token', refresh_token: `${tokens.refresh_token}` }
      assert.equal((await quick(() => tokenRequest(rp, given))).status, 503)
      assert.equal(await quick(() => userinfoStatus(rp, tokens.access_token)), 503)
      const { revocation_endpoint, introspection_endpoint } = (await rp.configuration()).serverMetadata()
      for (const endpoint of [revocation_endpoint, introspection_endpoint]) {
        const { status } = await quick(() => asParty(`${endpoint}`, `${tokens.access_token}`))
        assert.equal(status, 503, `${endpoint}`)
      }
      const out = await quick(() => browser.get(`${site.gateway.issuer}/session/end`))
      assert.equal(out.status, 503, 'a sign-out that did not happen is not said to have (FA-5)')
    }
    assert.equal(await quick(ready), 503)
    assert.equal((await exchange({ url: `${site.gateway.issuer}/livez` })).status, 200)

    await redis.restart()
    await recovered()
    // Redis kept nothing: who was signed in signs in again, and what was used or not is refused.
    const again = await signInAt(site, browser, member)
    assert.deepEqual(again.pages, ['login', 'verify-totp'])
    assert.equal((await redeemByHand(rp, end)).body.error, 'invalid_grant')
  })

  test('a Redis that hangs is as good as dead, and good again when it goes on (FA-1)', async () => {
    const { redis } = site.stores
    assert.ok(redis !== undefined)
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party()
    await signInAt(site, browser, member)
    const { end } = await askFor(site, browser, member, { parameters: BY_HAND })
    const urls = [await rp.authorize(), await rp.authorize()]
    process.kill(redis.pid, 'SIGSTOP')
    try {
      for (const url of urls) {
        assert.match(toldOrShown(await quick(() => browser.get(url))), /^(?:503 unavailable|temporarily_unavailable)$/)
      }
      assert.equal((await quick(() => redeemByHand(rp, end))).status, 503)
      assert.equal(await ready(), 503)
    } finally {
      process.kill(redis.pid, 'SIGCONT')
    }
    await recovered()
    assert.deepEqual((await signInAt(site, browser, member)).pages, [])
  })
})
