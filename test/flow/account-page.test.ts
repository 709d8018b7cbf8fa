import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { atHome, formOf, pageOf, press, sectionOf } from './account-site.ts'
import { LIMITS, MAIL, remembered } from './device-site.ts'
import { assertPage, onEachStore } from './person-site.ts'

onEachStore('the account page', (testSite) => {
  describe('the way in', () => {
    const site = testSite()

    it('signs in through the gateway and comes back', async () => {
      const { page, person } = await atHome(site)
      assert.equal(page.url.replace(/[?#].*/, ''), pageOf(site))
      assert.ok(page.text().includes(person.username))
      assert.equal(page.headers['cache-control'], 'no-store')
      assert.match(`${page.headers['content-security-policy']}`, /form-action 'self'/)
      assert.equal(page.find('.notice'), undefined)
    })

    it('SE-2: an ended session ends the page too', async () => {
      const { browser, person } = await atHome(site)
      await site.gateway.installation.accounts.endEverything(person.id, { event: 'session.ended', outcome: 'ok' })
      assertPage(await browser.get(pageOf(site)), 'login')
    })

    it('a cancelled sign-in ends on a page that can be tried again, not in a loop', async () => {
      const browser = site.browser()
      const login = await browser.get(pageOf(site))
      const page = assertPage(await browser.submit(login, { action: 'cancel' }), 'error', 'not-signed-in', 403)
      const again = page.find('main a')?.attributes.href
      assert.equal(again, '/account')
    })

    it('WE-8: nothing but the page itself is a place to come back to', async () => {
      const { browser } = await atHome(site)
      for (const state of ['https://evil.test', '//evil.test', 'dmlldyAvL2V2aWwudGVzdA.AAAA', '%00']) {
        const page = await browser.get(`${pageOf(site)}/signed-in?code=x&state=${encodeURIComponent(state)}`)
        assert.deepEqual(page.visited.slice(1), [pageOf(site)], state)
      }
    })

    it('says what was done where the browser scrolls to', async () => {
      const { browser } = await atHome(site)
      const said = async (query: string) => browser.get(`${pageOf(site)}?done=factor-removed${query}`)
      assert.match(sectionOf(await said('&at=devices#devices'), 'devices'), /It is removed/)
      for (const query of ['', '&at=evil', '&at=devices&at=factors']) {
        const page = await said(query)
        assert.match(page.text('.notice'), /It is removed/, query)
        assert.equal(page.find('.part .notice'), undefined, query)
      }
    })

    it('WE-4: a look changes nothing, and other methods are refused', async () => {
      const { browser } = await atHome(site)
      for (const done of ['evil', '__proto__', 'factor-removed&done=x']) {
        const page = await browser.get(`${pageOf(site)}?done=${done}`)
        assert.equal(page.find('.notice'), undefined, done)
      }
      const head = await browser.send('HEAD', pageOf(site), undefined)
      assert.equal(head.status, 200)
      assert.equal((await browser.send('PUT', pageOf(site), undefined)).status, 405)
      assertPage(await browser.get(`${pageOf(site)}/nowhere`), 'error', 'not-found', 404)
    })
  })

  describe('CVE-2024-45042: where an application is content with the password', () => {
    const rules = [{ name: 'open', when: { clients: ['rp'] }, secondFactor: 'off' }]
    const site = testSite({ config: { policy: { rules } } })

    it('a session of the password alone does not open the page of who has a factor', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const secret = await site.bindApp(person)
      await site.redeem(await site.enter(browser, person))
      const asked = assertPage(await browser.get(pageOf(site)), 'verify-totp', undefined, 200)
      const form = await browser.post(pageOf(site), { action: 'forget-all', csrf: 'x' })
      assertPage(form, 'verify-totp', undefined, 200)
      assertPage(await browser.get(`${pageOf(site)}/add-totp`), 'verify-totp')
      const page = await browser.submit(asked, { code: site.appCode(secret) })
      assertPage(page, 'account', undefined, 200)
    })

    it('nor of who has to set one up first (FB-3)', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      await site.redeem(await site.enter(browser, person))
      for (const path of ['', '/add-totp', '/show-totp']) {
        assertPage(await browser.get(`${pageOf(site)}${path}`), 'bind-totp')
      }
    })
  })

  describe('a rule that denies', () => {
    const rules = [{ name: 'nobody', when: { groups: ['gone'] }, deny: true }]
    const site = testSite({ config: { policy: { rules } } })

    it('ends on a page, not in a loop', async () => {
      const [person, browser] = [await site.person({ groups: ['gone'] }), site.browser()]
      const login = await browser.get(pageOf(site))
      const page = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(page, 'error', 'not-signed-in', 403)
    })
  })

  describe('the language', () => {
    const site = testSite()

    it('is the one its owner has chosen', async () => {
      const { browser, person } = await atHome(site)
      const audit = { event: 'user.changed', outcome: 'ok' } as const
      await site.gateway.installation.accounts.update(person.id, { locale: 'sv' }, audit)
      assert.match((await browser.get(pageOf(site))).text(), /Ditt konto/)
    })
  })

  describe('TD-7: a remembered browser', () => {
    const site = testSite({ mail: 'on', config: { mfa: MAIL, limits: LIMITS } })

    it('is asked for the second factor all the same, and can be forgotten', async () => {
      const { person, browser } = await remembered(site)
      const login = assertPage(await browser.get(pageOf(site)), 'login')
      const asked = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(asked, 'verify-email', undefined, 200)
      const page = assertPage(await browser.submit(asked, { code: site.mailed(person) }), 'account', undefined, 200)
      assert.match(sectionOf(page, 'devices'), /Chrome on Linux/)
      const { id } = formOf(page, 'forget').hidden
      const other = await remembered(site)
      const [device] = await site.gateway.installation.devices.list(
        (await site.gateway.installation.accounts.find(other.person.id)) ?? assert.fail(),
      )
      const csrf = formOf(page, 'forget').hidden.csrf
      const stolen = await browser.post(pageOf(site), { action: 'forget', id: `${device?.id}`, csrf })
      assertPage(stolen, 'error', 'not-found', 404)
      const done = await press(browser, page, { action: 'forget', ...(id !== undefined && { id }) })
      assertPage(done, 'account', undefined, 200)
      assert.match(sectionOf(done, 'devices'), /No browser is remembered/)
    })
  })

  // Last: connections need a moment afterwards.
  describe('FA-1: a store that does not answer', () => {
    const site = testSite()

    it('is no reason to let somebody in, or to change anything', async (t) => {
      const { redis } = site.stores
      if (redis === undefined) return t.skip('the embedded store cannot be stopped')
      const { browser, page } = await atHome(site)
      process.kill(redis.pid, 'SIGSTOP')
      try {
        assertPage(await browser.get(pageOf(site)), 'error', 'unavailable', 503)
        assertPage(await press(browser, page, { action: 'end-all' }), 'error', 'unavailable', 503)
      } finally {
        process.kill(redis.pid, 'SIGCONT')
      }
    })
  })
})
