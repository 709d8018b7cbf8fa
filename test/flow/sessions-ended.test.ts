import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { HOUR } from '../../src/kernel/clock.ts'
import {
  answerIn,
  askFor,
  type Browser,
  type Member,
  newMember,
  onBothStores,
  protocolError,
  type RelyingParty,
  signInAt,
} from './protocol-site.ts'

const OFFLINE = { scope: 'openid offline_access', prompt: 'consent' }

/** An admin, another browser of the owner, or a changed password ends what a thief may be sitting in front of. */
onBothStores('sessions that somebody else ends', (testSite) => {
  const site = testSite({ parties: { app: { backChannel: 'on' }, other: { backChannel: 'on' }, deaf: {} } })

  const signedIn = async (member: Member, ...parties: string[]) => {
    const browser = site.browser()
    const signIns = []
    for (const party of parties) signIns.push(await signInAt(site, browser, member, { party }))
    return { browser, signIns }
  }
  const accountOf = async ({ id }: Member) => {
    const account = await site.gateway.installation.accounts.find(id)
    if (account === undefined) throw new Error('the account is gone')
    return account
  }
  const list = async (member: Member) => site.gateway.sessions.list(await accountOf(member))
  const sessionOf = async (member: Member) => {
    const [session, ...more] = await list(member)
    assert.ok(session !== undefined && more.length === 0)
    return session
  }
  async function asksPassword(browser: Browser): Promise<void> {
    const page = await browser.get(await site.party('app').authorize())
    assert.equal(page.page, 'login')
  }
  const silent = async (browser: Browser, party = 'app') =>
    answerIn(await browser.get(await site.party(party).authorize({ prompt: 'none' })))
  /** A sign-in that is to outlive its session. */
  async function granting(browser: Browser, member: Member, party: string) {
    const { end: page } = await askFor(site, browser, member, { party, parameters: OFFLINE })
    const end = page.page === 'consent' ? await browser.submit(page, { action: 'allow' }) : page
    return site.party(party).callback(`${end.location}`)
  }
  async function told(rp: RelyingParty, sid: unknown): Promise<void> {
    for (let tries = 0; tries < 150; tries += 1) {
      if (rp.logouts.some((logout) => logout.sid === sid)) return
      await pause(20)
    }
    assert.fail(`${rp.client.client_id} was not told that ${sid} is over: ${rp.refusedLogouts.join()}`)
  }
  async function eventsOf({ id }: Member, name: string) {
    await site.gateway.installation.trail.flush()
    return (await site.gateway.installation.audit.list({ account: id })).filter(({ event }) => event === name)
  }

  test('the list shows browser, address, times, clients and what was proved; only those of this account (SE-9)', async () => {
    const [member, stranger] = [await newMember(site), await newMember(site)]
    for (const parties of [['app', 'deaf'], ['other'], ['deaf']]) {
      await signedIn(member, ...parties)
      site.gateway.clock.advance(1000)
    }
    await signedIn(stranger, 'app')
    const sessions = await list(member)
    // The one that was used last stands first.
    assert.deepEqual(
      sessions.map(({ clients }) => clients.toSorted()),
      [['deaf'], ['other'], ['app', 'deaf']],
    )
    for (const { address, methods, startedAt, lastUsedAt, expiresAt } of sessions) {
      assert.deepEqual([address, methods], ['127.0.0.1', ['password', 'totp']])
      assert.ok(startedAt <= lastUsedAt && lastUsedAt < expiresAt)
      // Nobody uses it again: it ends after an hour, long before the longest that a session may last.
      assert.ok(expiresAt - lastUsedAt < 2 * HOUR)
    }
  })

  test('an ended session: its tokens are dead, its clients are told rightly, its browser signs in anew (SE-8, SE-9, LO-4)', async () => {
    const member = await newMember(site)
    const { browser, signIns } = await signedIn(member, 'app', 'other')
    const elsewhere = await signedIn(member, 'app')
    const session = (await list(member)).find(({ clients }) => clients.includes('other'))
    assert.equal(await site.gateway.sessions.end(member.id, `${session?.id}`), true)
    // Once it is gone, nobody is signed in there that could be signed out.
    assert.equal(await site.gateway.sessions.end(member.id, `${session?.id}`), false)
    const [first, second] = signIns
    for (const [party, signIn] of [
      ['app', first],
      ['other', second],
    ] as const) {
      assert.deepEqual(await site.party(party).introspect(`${signIn?.tokens.access_token}`), { active: false })
      const refreshed = site.party(party).refresh(`${signIn?.tokens.refresh_token}`)
      await assert.rejects(refreshed, protocolError('invalid_grant'))
      await told(site.party(party), signIn?.claims.sid)
      assert.deepEqual(site.party(party).refusedLogouts, [])
      const token = site.party(party).logouts.find(({ sid }) => sid === signIn?.claims.sid)
      assert.equal(token?.sub, member.id)
      assert.ok(Number(token?.exp) - Number(token?.iat) <= 120)
    }
    assert.equal((await silent(browser)).error, 'login_required')
    await asksPassword(browser)
    // The other browser is as it was.
    assert.equal((await silent(elsewhere.browser)).error, undefined)
    assert.equal((await site.party('app').introspect(`${elsewhere.signIns[0]?.tokens.access_token}`)).active, true)
    assert.equal((await list(member)).length, 1)
    const ended = await eventsOf(member, 'session.ended')
    assert.equal(ended.length, 1)
    assert.deepEqual(ended[0]?.details?.clients, ['app', 'other'])
    // Signing in works in the same browser, and is a new session.
    await signInAt(site, browser, member)
    assert.equal((await list(member)).length, 2)
  })

  test('somebody else’s session is not found, and nothing happens to it', async () => {
    const [member, thief] = [await newMember(site), await newMember(site)]
    const { browser } = await signedIn(member, 'app')
    const session = await sessionOf(member)
    assert.equal(await site.gateway.sessions.end(thief.id, session.id), false)
    assert.equal(await site.gateway.sessions.end(member.id, 'nosuchsession'), false)
    assert.equal((await silent(browser)).error, undefined)
  })

  test('everything but the browser at hand: how many, and which one stays', async () => {
    const member = await newMember(site)
    const { browser } = await signedIn(member, 'app')
    const kept = await sessionOf(member)
    const others = [await signedIn(member, 'app'), await signedIn(member, 'other')]
    assert.equal(await site.gateway.sessions.endAll(member.id, { except: kept.id }), 2)
    assert.deepEqual(
      (await list(member)).map(({ id }) => id),
      [kept.id],
    )
    assert.equal((await silent(browser)).error, undefined)
    for (const { browser: other } of others) assert.equal((await silent(other)).error, 'login_required')
    assert.equal(await site.gateway.sessions.endAll(member.id, { except: kept.id }), 0)
  })

  test('what was granted beyond the session goes on when one session ends, and ends with all of them (LO-3)', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const { tokens } = await granting(browser, member, 'app')
    const session = await sessionOf(member)
    assert.equal(await site.gateway.sessions.end(member.id, session.id), true)
    const refreshed = await site.party('app').refresh(`${tokens.refresh_token}`)
    // The session is long gone from the engine, and what it granted is found all the same.
    await site.gateway.sessions.endAll(member.id)
    await assert.rejects(site.party('app').refresh(`${refreshed.tokens.refresh_token}`), protocolError('invalid_grant'))
  })

  test('a change that ends everything tells the clients, also of sessions its epochs have killed already', async () => {
    const member = await newMember(site)
    const { signIns } = await signedIn(member, 'app')
    const { installation } = site.gateway
    await installation.accounts.setDisabled(member.id, true, { event: 'user.disabled', outcome: 'ok' })
    assert.equal(await site.gateway.sessions.endAll(member.id), 1)
    await told(site.party('app'), signIns[0]?.claims.sid)
    assert.equal((await eventsOf(member, 'session.ended')).length, 1)
  })

  test('ended twice at the same moment: the clients are told, and nothing is left', async () => {
    const member = await newMember(site)
    const { browser, signIns } = await signedIn(member, 'app')
    const { id } = await sessionOf(member)
    await Promise.all([site.gateway.sessions.end(member.id, id), site.gateway.sessions.endAll(member.id)])
    await told(site.party('app'), signIns[0]?.claims.sid)
    assert.equal((await silent(browser)).error, 'login_required')
    assert.deepEqual(await list(member), [])
  })

  test('requests under way at the end of everything leave no token that works', async () => {
    for (let round = 0; round < 3; round += 1) {
      const member = await newMember(site)
      const { browser } = await signedIn(member, 'app')
      const tab = await browser.copy()
      const request = await site.party('other').authorize(OFFLINE)
      const page = await tab.get(request)
      const allowed = page.page === 'consent' ? tab.submit(page, { action: 'allow' }) : page
      const [answer] = await Promise.all([allowed, site.gateway.sessions.endAll(member.id)])
      if (answer.location === undefined || !answer.location.includes('code=')) continue
      const redeemed = await site
        .party('other')
        .callback(answer.location)
        .catch(() => undefined)
      if (redeemed === undefined) continue
      await site.gateway.sessions.endAll(member.id)
      const refreshed = site.party('other').refresh(`${redeemed.tokens.refresh_token}`)
      await assert.rejects(refreshed, protocolError('invalid_grant'))
    }
  })

  test('the last use is noted to five minutes, and a usual request writes nothing', async () => {
    const member = await newMember(site)
    const { browser } = await signedIn(member, 'app')
    const { lastUsedAt } = await sessionOf(member)
    site.gateway.clock.advance(60_000)
    await silent(browser)
    assert.equal((await sessionOf(member)).lastUsedAt, lastUsedAt)
    site.gateway.clock.advance(5 * 60_000)
    await silent(browser)
    assert.ok((await sessionOf(member)).lastUsedAt >= lastUsedAt + 5 * 60_000)
  })

  test('a client that cannot be reached is tried three times, written down and stops nothing (LO-5)', async () => {
    const member = await newMember(site)
    await signedIn(member, 'other')
    await site.party('other').stop()
    const started = performance.now()
    assert.equal(await site.gateway.sessions.endAll(member.id), 1)
    assert.ok(performance.now() - started < 1000)
    for (let tries = 0; tries < 100; tries += 1) {
      if ((await eventsOf(member, 'backchannel.fail')).length > 0) break
      await pause(100)
    }
    const [failed] = await eventsOf(member, 'backchannel.fail')
    assert.deepEqual([failed?.client, failed?.details], ['other', { tries: 3 }])
  })
})
