import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MINUTE, SECOND } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser, BrowserResponse } from '../harness/http-client.ts'
import { atHome, formOf, type Owner, pageOf, press, sectionOf } from './account-site.ts'
import { assertPage, onEachStore, otherCode, type TestSite } from './person-site.ts'

const BOTH = { enabled: true, methods: ['email', 'totp'], email: { maxSendsPerHour: 100 } }

const idsOf = async (site: TestSite, { id }: Person): Promise<string[]> =>
  (await site.gateway.installation.bindings.list(id)).map((binding) => binding.id)
const eventsOf = async (site: TestSite, { id }: Person): Promise<string[]> => {
  await site.gateway.installation.trail.flush()
  return (await site.gateway.installation.audit.list({ account: id })).map(({ event }) => event)
}
const secretIn = (page: BrowserResponse): string => page.text('[data-secret]')

/** Binds one more app at the page; answers the account page and the new key. */
async function addApp(site: TestSite, { browser, page }: Pick<Owner, 'browser' | 'page'>, label?: string) {
  const bind = assertPage(await press(browser, page, { action: 'add-totp' }), 'bind-totp', undefined, 200)
  const secret = secretIn(bind)
  const fields = { code: site.appCode(secret), ...(label !== undefined && { label }) }
  return { page: assertPage(await browser.submit(bind, fields), 'account', undefined, 200), secret }
}

/** The engine goes by the real time: what is to be old now was done while the clock was behind. */
async function sixMinutesAgo(site: TestSite): Promise<Owner> {
  const { clock } = site.gateway
  clock.advance(-6 * MINUTE)
  return atHome(site).finally(() => clock.advance(6 * MINUTE))
}

/** A form of the page with another action or id than it has. */
function forged(site: TestSite, browser: Browser, page: BrowserResponse, fields: Record<string, string>) {
  const csrf = `${formOf(page, 'add-totp').hidden.csrf}`
  return browser.post(pageOf(site), { csrf, ...fields })
}

onEachStore('factors on the account page', (testSite) => {
  describe('G1, D8: several apps', () => {
    const site = testSite()

    it('another one is bound with a name, which can be changed, and one of them removed (I1)', async () => {
      const owner = await atHome(site)
      const { browser, person } = owner
      const added = await addApp(site, owner, 'work <phone>')
      assert.match(sectionOf(added.page, 'factors'), /work <phone>/)
      const [first, second] = await idsOf(site, person)
      assert.ok(first && second)
      const renamed = await press(browser, added.page, {
        action: 'rename',
        id: second,
        fields: { label: '  new\u0007 name ' },
      })
      assert.equal((await site.gateway.installation.bindings.list(person.id))[1]?.label, 'new  name')
      const gone = assertPage(await press(browser, renamed, { action: 'remove', id: first }), 'account', undefined, 200)
      assert.deepEqual(await idsOf(site, person), [second])
      assert.doesNotMatch(gone.body, new RegExp(first))
      const events = await eventsOf(site, person)
      for (const event of ['factor.added', 'factor.renamed', 'factor.removed']) assert.ok(events.includes(event), event)
      // The one that is left signs in.
      site.gateway.clock.advance(MINUTE)
      const again = site.browser()
      const asked = await site.enter(again, person)
      await site.redeem(await again.submit(asked, { code: site.appCode(added.secret) }))
    })

    it('G2, FB-7: the last one that policy asks for stays, also when two removals come at once', async () => {
      const owner = await atHome(site)
      const { browser, person } = owner
      const [only = ''] = await idsOf(site, person)
      const refused = await press(browser, owner.page, { action: 'remove', id: only })
      assertPage(refused, 'account', 'last-factor', 403)
      const { page } = await addApp(site, { ...owner, page: refused })
      const ids = await idsOf(site, person)
      const answers = await Promise.all(ids.map((id) => press(browser, page, { action: 'remove', id })))
      assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 403])
      assert.equal((await idsOf(site, person)).length, 1)
    })

    it('there are no more than the file allows', async () => {
      const owner = await atHome(site)
      let { page } = owner
      for (let count = 2; count <= 5; count++) page = (await addApp(site, { ...owner, page })).page
      assert.throws(() => formOf(page, 'add-totp'))
    })

    it('D8: however many were bound in a session, another one can be when there is room', async () => {
      const owner = await atHome(site)
      let { page } = owner
      for (let count = 1; count <= 5; count++) {
        page = (await addApp(site, { ...owner, page })).page
        const [, added = ''] = await idsOf(site, owner.person)
        page = assertPage(await press(owner.browser, page, { action: 'remove', id: added }), 'account', undefined, 200)
      }
    })

    it('a wrong code binds nothing, and the key stays the same', async () => {
      const { browser, page, person } = await atHome(site)
      const bind = await press(browser, page, { action: 'add-totp' })
      const secret = secretIn(bind)
      const code = otherCode(site.appCode(secret))
      const again = assertPage(await browser.submit(bind, { code }), 'bind-totp', 'code', 401)
      assert.equal(secretIn(again), secret)
      assert.equal((await idsOf(site, person)).length, 1)
      assertPage(await browser.submit(again, { action: 'cancel' }), 'account')
    })
  })

  describe('FB-6, GHSA-9gjv-6qq6-v7qm, CVE-2020-10686: factors of others', () => {
    const site = testSite()

    it('are not found, whatever is asked of them, and stay', async () => {
      const [own, other] = [await atHome(site), await atHome(site)]
      const [id = ''] = await idsOf(site, other.person)
      for (const action of ['remove', 'rename', 'show-qr']) {
        const page = await forged(site, own.browser, own.page, { action, id, label: 'mine' })
        assertPage(page, 'error', 'not-found', 404)
      }
      const [binding] = await site.gateway.installation.bindings.list(other.person.id)
      assert.deepEqual([binding?.id, binding?.label], [id, undefined])
    })

    it('WE-1: forms count only with the token of this browser and this session, from this origin', async () => {
      const [own, other] = [await atHome(site), await atHome(site)]
      const [id = ''] = await idsOf(site, own.person)
      const csrf = `${formOf(other.page, 'remove').hidden.csrf}`
      for (const token of [csrf, '', `${formOf(own.page, 'remove').hidden.csrf}x`]) {
        const page = await own.browser.post(pageOf(site), { action: 'rename', id, label: 'x', csrf: token })
        assertPage(page, 'error', 'csrf', 403)
      }
      const right = `${formOf(own.page, 'remove').hidden.csrf}`
      const body = { action: 'rename', id, label: 'x', csrf: right }
      const elsewhere = await own.browser.post(pageOf(site), body, { headers: { origin: 'https://evil.test' } })
      assertPage(elsewhere, 'error', 'csrf', 403)
      assert.equal((await site.gateway.installation.bindings.list(own.person.id))[0]?.label, undefined)
    })
  })

  describe('FB-1: a second factor of more than five minutes ago', () => {
    const site = testSite()

    it('is enough to look, and is asked for again before anything changes (G2)', async () => {
      const { browser, person, secret } = await sixMinutesAgo(site)
      const page = assertPage(await browser.get(pageOf(site)), 'account', undefined, 200)
      const [id = ''] = await idsOf(site, person)
      for (const action of ['rename', 'remove', 'show-qr', 'add-totp']) {
        const asked = await forged(site, browser, page, { action, id, label: 'x' })
        assertPage(asked, 'verify-totp', undefined, 200)
      }
      assertPage(await browser.get(`${pageOf(site)}/add-totp`), 'verify-totp')
      assert.equal((await site.gateway.installation.bindings.list(person.id))[0]?.label, undefined)
      const before = (await browser.cookies(site.gateway.issuer))['stepgate-session']
      const asked = await press(browser, page, { action: 'rename', id, fields: { label: 'x' } })
      const back = assertPage(await browser.submit(asked, { code: site.appCode(secret) }), 'account', undefined, 200)
      assert.match(back.text(), /For the next five minutes/)
      assert.notEqual((await browser.cookies(site.gateway.issuer))['stepgate-session'], before, 'SE-2')
      await press(browser, back, { action: 'rename', id, fields: { label: 'x' } })
      assert.equal((await site.gateway.installation.bindings.list(person.id))[0]?.label, 'x')
    })

    it('a confirmation that was cancelled changes nothing and ends on the page', async () => {
      const { browser, page } = await sixMinutesAgo(site)
      const asked = await press(browser, page, { action: 'add-totp' })
      assertPage(await browser.submit(asked, { action: 'cancel' }), 'account', undefined, 200)
    })
  })

  describe('D6, TO-8: the QR code again', () => {
    const site = testSite({ mail: 'on' })

    it('is shown to its owner for a minute, audited and told', async () => {
      const person = await site.person()
      const owner = await atHome(site, { person, secret: await site.bindApp(person) })
      const [id = ''] = await idsOf(site, person)
      assertPage(await owner.browser.get(`${pageOf(site)}/show-totp`), 'account')
      const shown = await press(owner.browser, owner.page, { action: 'show-qr', id })
      assertPage(shown, 'show-totp', undefined, 200)
      assert.equal(secretIn(shown).replaceAll(' ', ''), owner.secret)
      assert.match(`${shown.find('img.qr')?.attributes.src}`, /^data:image\/png;base64,/)
      assert.equal(shown.headers['cache-control'], 'no-store')
      assert.ok((await eventsOf(site, person)).includes('factor.shown'))
      assert.match((await site.smtp.waitFor(`${person.email}`)).text, /QR/)
    })
  })

  describe('reshowQr: never', () => {
    const site = testSite({ config: { mfa: { enabled: true, methods: ['totp'], totp: { reshowQr: 'never' } } } })

    it('offers nothing, and answers nothing', async () => {
      const { browser, page, person } = await atHome(site)
      const [id = ''] = await idsOf(site, person)
      assert.throws(() => formOf(page, 'show-qr'))
      assertPage(await forged(site, browser, page, { action: 'show-qr', id }), 'error', 'not-found', 404)
      assertPage(await browser.get(`${pageOf(site)}/show-totp`), 'error', 'not-found', 404)
    })
  })

  describe('an app beside the mailbox', () => {
    const site = testSite({ mail: 'on', config: { mfa: BOTH } })

    it('is bound at once after a fresh code, and from then on the page wants it (CVE-2024-45042)', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const login = await browser.get(pageOf(site))
      const choose = await browser.submit(login, { username: person.username, password: person.password })
      const asked = assertPage(await browser.submit(choose, { method: 'email' }), 'verify-email')
      const page = assertPage(await browser.submit(asked, { code: site.mailed(person) }), 'account')
      const id = (await browser.cookies(site.gateway.issuer))['stepgate-session']
      // The newest proof is the app's from then on.
      site.gateway.clock.advance(SECOND)
      const { page: done } = await addApp(site, { browser, page })
      assert.notEqual((await browser.cookies(site.gateway.issuer))['stepgate-session'], id, 'SE-2')
      assert.match(done.text(), /new second step is set up/)
      // Another session that proved the mailbox alone.
      const other = site.browser()
      const verify = assertPage(await site.enter(other, person), 'verify-totp')
      const chosen = await other.submit(await other.submit(verify, { action: 'choose' }), { method: 'email' })
      await site.redeem(await other.submit(chosen, { code: site.mailed(person) }))
      assertPage(await other.get(pageOf(site)), 'verify-totp', undefined, 200)
    })
  })

  describe('FB-9: what was begun before a change of factors', () => {
    const site = testSite({ mail: 'on', config: { mfa: BOTH } })

    it('a sign-in of somebody else that waits for its last step ends, for each change of the owner', async () => {
      const owner = await atHome(site)
      let { page } = owner
      const change = {
        added: async () => (await addApp(site, { ...owner, page })).page,
        removed: async () =>
          press(owner.browser, page, { action: 'remove', id: `${formOf(page, 'remove').hidden.id}` }),
      }
      for (const act of Object.values(change)) {
        const thief = site.browser()
        const asked = assertPage(await site.enter(thief, owner.person), 'verify-totp')
        const chosen = await thief.submit(await thief.submit(asked, { action: 'choose' }), { method: 'email' })
        const code = site.mailed(owner.person)
        page = assertPage(await act(), 'account', undefined, 200)
        assertPage(await thief.submit(chosen, { code }), 'login', 'expired')
        assertPage(await owner.browser.get(pageOf(site)), 'account', undefined, 200)
      }
    })

    it('a session that nobody found to end is over all the same, and the own one goes on', async (t) => {
      const owner = await atHome(site)
      site.gateway.clock.advance(MINUTE)
      const other = await atHome(site, owner)
      t.mock.method(site.gateway.sessions, 'endAll', async () => 0)
      await addApp(site, owner)
      assertPage(await other.browser.get(pageOf(site)), 'login')
      assertPage(await owner.browser.get(pageOf(site)), 'account', undefined, 200)
    })
  })

  describe('a rule that is stricter than the default', () => {
    const site = testSite({
      mail: 'on',
      config: {
        mfa: { ...BOTH, methods: ['email'] },
        policy: { rules: [{ name: 'erp', when: { clients: ['rp'] }, require: 'mfa', methods: ['totp'] }] },
      },
    })

    it('FB-1: its app is what the account page asks for, not the weaker mail of the default', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const browser = site.browser()
      const login = await browser.get(pageOf(site))
      const asked = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(asked, 'verify-totp', undefined, 200)
    })
  })

  describe('an account without a second factor', () => {
    const site = testSite({
      mail: 'on',
      config: { mfa: { ...BOTH, enabled: false, methods: ['totp'], optOut: { understood: true, disableMfa: true } } },
    })

    it('B3, FB-2: gets to the key by the mailbox only', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const login = await browser.get(pageOf(site))
      const page = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(page, 'account', undefined, 200)
      assertPage(await browser.get(`${pageOf(site)}/add-totp`), 'account', undefined, 200)
      const asked = assertPage(await press(browser, page, { action: 'add-totp' }), 'verify-email', undefined, 200)
      const bind = assertPage(await browser.submit(asked, { code: site.mailed(person) }), 'bind-totp', undefined, 200)
      const done = await browser.submit(bind, { code: site.appCode(secretIn(bind)) })
      assertPage(done, 'account', undefined, 200)
      assert.match(done.text(), /new second step is set up/)
      // Where policy leaves it to its owner, the last one may go, and the codes that stood in for it go too.
      const typesOf = async () =>
        (await site.gateway.installation.bindings.list(person.id)).map(({ type }) => type).sort()
      await press(browser, done, { action: 'recovery' })
      assert.deepEqual(await typesOf(), ['email', 'recovery', 'totp'])
      const { id = '' } = formOf(done, 'remove').hidden
      const gone = assertPage(await press(browser, done, { action: 'remove', id }), 'account', undefined, 200)
      assert.throws(() => formOf(gone, 'remove'))
      assert.deepEqual(await typesOf(), ['email'], 'a mailbox that no policy accepts is no factor')
    })
  })

  describe('FB-3: forced enrolment', () => {
    const site = testSite()

    it('is not left by the account page', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const login = await browser.get(pageOf(site))
      const bind = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(bind, 'bind-totp', undefined, 200)
      for (const path of ['', '/add-totp', '/signed-in?code=x&state=y']) {
        const page = await browser.get(`${pageOf(site)}${path}`)
        assert.ok(['login', 'error'].includes(`${page.page}`), `${path} ${page.page}`)
      }
    })
  })
})
