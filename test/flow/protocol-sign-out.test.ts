import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import * as client from 'openid-client'
import {
  type Browser,
  type BrowserResponse,
  newMember,
  onBothStores,
  type RelyingParty,
  seen,
  signInAt,
} from './protocol-site.ts'

onBothStores('signing out', (testSite) => {
  const site = testSite({ parties: { app: { backChannel: 'on' }, other: { backChannel: 'on' }, quiet: {} } })

  const signedIn = async (...parties: string[]) => {
    const browser = site.browser()
    const member = await newMember(site)
    const signIns = []
    for (const party of parties) signIns.push(await signInAt(site, browser, member, { party }))
    const [first] = signIns
    assert.ok(first !== undefined)
    return { browser, member, first, signIns }
  }

  const hasSession = async (browser: Browser): Promise<boolean> => {
    const url = await site.party('quiet').authorize({ prompt: 'none' })
    return new URL(`${(await browser.get(url)).location}`).searchParams.has('code')
  }

  async function told(rp: RelyingParty, sid: unknown): Promise<Record<string, unknown>> {
    for (let tries = 0; tries < 100; tries += 1) {
      const found = rp.logouts.find((logout) => logout.sid === sid)
      if (found !== undefined) return found
      await pause(20)
    }
    throw new Error(`${rp.url} was not told of ${sid}: ${JSON.stringify(rp.logouts)} ${rp.refusedLogouts.join()}`)
  }

  const answerYes = (browser: Browser, page: BrowserResponse) => browser.submit(page, { logout: 'yes' })

  test('with its ID token the relying party signs out and gets its state back; everybody is told, once and rightly (LO-3, LO-4)', async () => {
    const { browser, member, signIns } = await signedIn('app', 'other')
    const [first, second] = signIns
    const rp = site.party('app')
    const page = await browser.get(await rp.logout({ id_token_hint: `${first?.tokens.id_token}`, state: 'x y' }))
    assert.equal(page.page, 'logout', seen(page))
    // Scripts press the button for those who showed whose session they mean (LO-1).
    assert.ok(page.find('form[data-submits=logout]'))
    const end = await answerYes(browser, page)
    assert.deepEqual([...new URL(`${end.location}`).searchParams], [['state', 'x y']])
    assert.ok(end.location?.startsWith(`${rp.postLogoutRedirectUri}?`))
    for (const [party, signIn] of [
      [rp, first],
      [site.party('other'), second],
    ] as const) {
      const token = await told(party, signIn?.claims.sid)
      assert.equal(token.sub, member.id)
      assert.ok(Number(token.exp) - Number(token.iat) <= 120)
      assert.equal(party.logouts.filter(({ sid }) => sid === signIn?.claims.sid).length, 1)
      assert.deepEqual(party.refusedLogouts, [])
    }
    assert.equal(await hasSession(browser), false)
    // Tokens that were bound to the session are dead at once (SE-8).
    await assert.rejects(client.fetchUserInfo(await rp.configuration(), `${first?.tokens.access_token}`, member.id))
    assert.deepEqual(await rp.introspect(`${first?.tokens.access_token}`), { active: false })
  })

  test('without an ID token nothing presses the button (LO-1)', async () => {
    const { browser } = await signedIn('app')
    const page = await browser.get(await site.party('app').logout({ client_id: 'app' }))
    assert.equal(page.page, 'logout')
    assert.equal(page.find('form[data-submits]'), undefined)
    assert.equal(await hasSession(browser), true, 'asking ends nothing')
    const end = await answerYes(browser, page)
    assert.equal(end.location, site.party('app').postLogoutRedirectUri)
    assert.equal(await hasSession(browser), false)
  })

  test('who says no stays signed in', async () => {
    const { browser } = await signedIn('app')
    const page = await browser.get(await site.party('app').logout({ client_id: 'app' }))
    await browser.submit(page, { logout: undefined })
    assert.equal(await hasSession(browser), true)
  })

  test('a form of somebody else signs nobody out (LO-1)', async () => {
    const { browser } = await signedIn('app')
    const page = await browser.get(await site.party('app').logout({ client_id: 'app' }))
    const forged = await browser.post(`${page.form?.action}`, { xsrf: 'x'.repeat(43), logout: 'yes' })
    assert.equal(forged.status, 400)
    const stolen = site.browser()
    const elsewhere = await stolen.post(`${page.form?.action}`, { ...page.form?.hidden, logout: 'yes' })
    assert.equal(elsewhere.status, 400)
    assert.equal(await hasSession(browser), true)
  })

  test('a posted logout request is answered by 303 to the same as GET', async () => {
    const { browser } = await signedIn('app')
    const url = await site.party('app').logout({ client_id: 'app' })
    const posted = await browser.post(`${url.origin}${url.pathname}`, url.search.slice(1), {
      redirects: 'stop',
      from: site.party('app').url,
    })
    assert.equal(posted.status, 303)
    const page = await browser.get(`${posted.location}`)
    assert.equal((await answerYes(browser, page)).location, site.party('app').postLogoutRedirectUri)
  })

  test('post_logout_redirect_uri: exactly a registered one of this client, or nobody is sent anywhere (LO-2)', async () => {
    const { browser, first } = await signedIn('app')
    const { postLogoutRedirectUri, url } = site.party('app')
    const variants = [
      `${postLogoutRedirectUri}/`,
      `${postLogoutRedirectUri}?x=1`,
      `${postLogoutRedirectUri}#x`,
      `${url}/`,
      site.party('other').postLogoutRedirectUri,
      'http://evil.example/',
      '//evil.example/',
      'javascript:alert(1)',
    ]
    for (const post_logout_redirect_uri of variants) {
      const hint = { id_token_hint: `${first.tokens.id_token}` }
      const page = await browser.get(await site.party('app').logout({ ...hint, post_logout_redirect_uri }))
      assert.deepEqual([page.status, page.page, page.location], [400, 'error', undefined], post_logout_redirect_uri)
    }
    const { end_session_endpoint } = (await site.party('app').configuration()).serverMetadata()
    const nobodys = new URL(`${end_session_endpoint}`)
    nobodys.searchParams.set('post_logout_redirect_uri', postLogoutRedirectUri)
    const page = await browser.get(nobodys)
    const end = page.page === 'logout' ? await answerYes(browser, page) : page
    assert.equal(end.location, undefined, 'a redirect without a client')
  })

  test('an ID token that was changed or is of another issuer is refused', async () => {
    const { browser, first } = await signedIn('app')
    const [header, payload, signature = ''] = `${first.tokens.id_token}`.split('.')
    const forged = [
      `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
      `${header}.${payload}.`,
      'x',
    ]
    for (const id_token_hint of forged) {
      const page = await browser.get(await site.party('app').logout({ id_token_hint }))
      assert.deepEqual([page.status, page.page], [400, 'error'])
    }
    assert.equal(await hasSession(browser), true)
  })

  test('without parameters the gateway asks, and ends on a page of its own that clears what the browser kept (SE-10)', async () => {
    const { browser } = await signedIn('app')
    const { end_session_endpoint } = (await site.party('app').configuration()).serverMetadata()
    const end = await answerYes(browser, await browser.get(`${end_session_endpoint}`))
    assert.equal(end.page, 'signed-out', seen(end))
    assert.match(`${end.headers['clear-site-data']}`, /"cache"/)
    assert.equal(await hasSession(browser), false)
  })

  test('signing out in one browser leaves the other one alone', async () => {
    const { browser, member } = await signedIn('app')
    const second = site.browser()
    const kept = await signInAt(site, second, member)
    await answerYes(browser, await browser.get(await site.party('app').logout({ client_id: 'app' })))
    assert.equal(await hasSession(browser), false)
    assert.equal(await hasSession(second), true)
    assert.equal((await site.party('app').introspect(kept.tokens.access_token)).active, true)
  })

  test('the session cookie of before signing out is worth nothing after it', async () => {
    const { browser } = await signedIn('app')
    const thief = await browser.copy()
    assert.equal(await hasSession(thief), true)
    await answerYes(browser, await browser.get(await site.party('app').logout({ client_id: 'app' })))
    assert.equal(await hasSession(thief), false)
  })

  test('a relying party that does not answer stops nobody; that it was not told is in the audit log (LO-5)', async () => {
    const { browser, member, first } = await signedIn('app')
    const rp = site.party('app')
    const before = rp.refusedLogouts.length
    const { installation } = site.gateway
    await rp.stop()
    const started = performance.now()
    const page = await browser.get(await rp.logout({ id_token_hint: `${first.tokens.id_token}` }))
    const end = await answerYes(browser, page)
    assert.equal(end.location, rp.postLogoutRedirectUri)
    assert.ok(performance.now() - started < 4000)
    assert.equal(rp.refusedLogouts.length, before)
    const events: string[] = []
    // It is tried again behind the page.
    for (let tries = 0; tries < 100 && !events.includes('backchannel.fail'); tries += 1) {
      await pause(100)
      await installation.trail.flush()
      events.splice(
        0,
        events.length,
        ...(await installation.audit.list({ account: member.id })).map(({ event }) => event),
      )
    }
    assert.equal(events.filter((event) => event === 'backchannel.fail').length, 1, events.join())
    assert.ok(events.includes('logout'), events.join())
  })
})
