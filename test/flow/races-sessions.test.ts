import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  type Browser,
  newMember,
  onBothStores,
  type RelyingParty,
  seen,
  signInAt,
  userinfoStatus,
  walkOn,
} from './protocol-site.ts'

const ROUNDS = 3

/** Several windows of one browser. The stores answer late here, as over a network. */
onBothStores('one session, several authorizations at once', (testSite) => {
  const parties = {
    first: {},
    app: { backChannel: 'on' },
    other: { backChannel: 'on' },
    third: { backChannel: 'on' },
  } as const
  const site = testSite({ latency: 4, parties })

  async function toldOf(rp: RelyingParty, sid: unknown): Promise<void> {
    for (let tries = 0; tries < 150; tries += 1) {
      if (rp.logouts.some((logout) => logout.sid === sid)) return
      await pause(20)
    }
    assert.fail(`${rp.client.client_id} was not told that ${sid} is over`)
  }

  const signOut = async (browser: Browser): Promise<void> => {
    const page = await browser.get(await site.party('first').logout({ client_id: 'first' }))
    await browser.submit(page, { logout: 'yes' })
  }

  test('relying parties that authorize at the same moment all keep their grant, and all hear of the sign-out', async () => {
    const member = await newMember(site)
    for (let round = 0; round < ROUNDS; round += 1) {
      const browser = site.browser()
      await signInAt(site, browser, member, { party: 'first' })
      const names = ['app', 'other', 'third']
      const signIns = await Promise.all(
        names.map(async (party) => {
          const tab = await browser.copy()
          const end = await tab.get(await site.party(party).authorize())
          assert.match(`${end.location}`, /code=/, seen(end))
          return site.party(party).callback(`${end.location}`)
        }),
      )
      for (const [index, { tokens, claims }] of signIns.entries()) {
        assert.equal(await userinfoStatus(site.party(names[index]), tokens.access_token), 200, names[index])
        assert.equal(claims.sub, member.id)
        assert.equal((await site.party(names[index]).refresh(`${tokens.refresh_token}`)).claims.sid, claims.sid)
      }
      await signOut(browser)
      await Promise.all(signIns.map(({ claims }, index) => toldOf(site.party(names[index]), claims.sid)))
      for (const [index, { tokens }] of signIns.entries()) {
        assert.equal(await userinfoStatus(site.party(names[index]), tokens.access_token), 401, names[index])
      }
    }
  })

  test('tabs of one client on its first use agree on one grant: every code works', async () => {
    const member = await newMember(site)
    const rp = site.party('app')
    for (let round = 0; round < ROUNDS; round += 1) {
      const browser = site.browser()
      await signInAt(site, browser, member, { party: 'first' })
      const ends = await Promise.all([1, 2, 3].map(async () => (await browser.copy()).get(await rp.authorize())))
      for (const end of ends) {
        assert.match(`${end.location}`, /code=/, seen(end))
        const { tokens } = await rp.callback(`${end.location}`)
        assert.equal(await userinfoStatus(rp, tokens.access_token), 200)
        assert.equal((await rp.refresh(`${tokens.refresh_token}`)).claims.sub, member.id)
      }
    }
  })

  test('two tabs at the login page: both get in, whoever is first', async () => {
    const member = await newMember(site)
    const rp = site.party('app')
    const browser = site.browser()
    const [one, two] = [await browser.get(await rp.authorize()), await browser.get(await rp.authorize())]
    const first = await walkOn(site, browser, member, one)
    assert.equal((await rp.callback(`${first.end.location}`)).claims.sub, member.id)
    const second = await walkOn(site, browser, member, await browser.get(two.url))
    if (second.end.location !== undefined) {
      assert.equal((await rp.callback(`${second.end.location}`)).claims.sub, member.id)
      return
    }
    // The cookie of the first tab was replaced: there is a way on.
    const way = second.end.find('main a[href]')?.attributes.href
    const again = await browser.get(new URL(`${way}`, site.gateway.issuer))
    assert.equal((await rp.callback(`${again.location}`)).claims.sub, member.id)
  })

  test('a sign-out and an authorization at the same moment: the session is over either way', async () => {
    const member = await newMember(site)
    const rp = site.party('app')
    for (let round = 0; round < ROUNDS; round += 1) {
      const browser = site.browser()
      await signInAt(site, browser, member, { party: 'app' })
      const [tab, thief] = [await browser.copy(), await browser.copy()]
      const page = await browser.get(await rp.logout({ client_id: 'app' }))
      await Promise.all([browser.submit(page, { logout: 'yes' }), tab.get(await rp.authorize())])
      const after = await thief.get(await rp.authorize({ prompt: 'none' }))
      assert.equal(new URL(`${after.location}`).searchParams.get('error'), 'login_required')
      const own = await tab.get(await rp.authorize({ prompt: 'none' }))
      assert.equal(new URL(`${own.location}`).searchParams.get('error'), 'login_required')
    }
  })
})
