import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import { textOf } from '../harness/html.ts'
import { atHome, type Owner, pageOf, press, sectionOf } from './account-site.ts'
import { assertPage, type BrowserResponse, onEachStore, type TestSite } from './person-site.ts'

const codesOn = (page: BrowserResponse): string[] => page.findAll('[data-code]').map(textOf)

const makeCodes = async ({ browser, page }: Pick<Owner, 'browser' | 'page'>): Promise<BrowserResponse> =>
  assertPage(await press(browser, page, { action: 'recovery' }), 'recovery-codes', undefined, 200)

/** The page after the password and this code, in a new browser. */
async function signInWith(site: TestSite, { person }: Owner, code: string | undefined) {
  const browser = site.browser()
  const login = await browser.get(pageOf(site))
  const asked = await browser.submit(login, { username: person.username, password: person.password })
  const choice = assertPage(await browser.submit(asked, { action: 'choose' }), 'choose', undefined, 200)
  const typed = assertPage(await browser.submit(choice, { method: 'recovery' }), 'verify-recovery', undefined, 200)
  return { browser, page: await browser.submit(typed, { code: `${code}` }) }
}

onEachStore('recovery codes on the account page', (testSite) => {
  const site = testSite({ mail: 'on' })

  it('RC-1: ten of them, in this session and browser alone, again after a reload, and no more after "done"', async () => {
    const owner = await atHome(site)
    assert.match(sectionOf(owner.page, 'recovery'), /You have no recovery codes/)
    const shown = await makeCodes(owner)
    const codes = codesOn(shown)
    assert.equal(new Set(codes).size, 10)
    for (const code of codes) assert.match(code.replaceAll('-', ''), /^[A-Z2-7]{16}$/)
    assert.equal(shown.headers['cache-control'], 'no-store')
    const url = `${pageOf(site)}/recovery-codes`
    assert.deepEqual(codesOn(await owner.browser.get(url)), codes)
    site.gateway.clock.advance(MINUTE)
    const other = await atHome(site, owner)
    assertPage(await other.browser.get(url), 'account')
    const thief = await owner.browser.copy()
    await thief.clear('stepgate-browser')
    assert.deepEqual(codesOn(await thief.get(url)), [])
    const home = assertPage(await owner.browser.submit(shown, { action: 'done' }), 'account', undefined, 200)
    assert.match(sectionOf(home, 'recovery'), /10 unused codes/)
    for (const code of codes) assert.ok(!home.body.includes(code))
    assertPage(await owner.browser.get(url), 'account')
  })

  it('each signs in once; the page then asks to look after the other steps', async () => {
    const owner = await atHome(site)
    const [code] = codesOn(await makeCodes(owner))
    const { browser, page } = await signInWith(site, owner, code)
    assertPage(page, 'account', undefined, 200)
    assert.match(sectionOf(page, 'recovery'), /You signed in with a recovery code/)
    assert.match(sectionOf(page, 'recovery'), /9 unused codes/)
    assert.equal(
      codesOn(await makeCodes({ browser, page })).length,
      10,
      'it is as good as what was lost, to replace it',
    )
    const again = await signInWith(site, owner, code)
    assertPage(again.page, 'verify-recovery', 'code', 401)
  })

  it('RC-4: a new set ends the old one, and is told by letter and audit', async () => {
    const owner = await atHome(site)
    const [old] = codesOn(await makeCodes(owner))
    const [code] = codesOn(await makeCodes({ ...owner, page: await owner.browser.get(pageOf(site)) }))
    assertPage((await signInWith(site, owner, old)).page, 'verify-recovery', 'code', 401)
    assertPage((await signInWith(site, owner, code)).page, 'account', undefined, 200)
    const events = await site.gateway.installation.audit.list({ account: owner.person.id })
    assert.equal(events.filter(({ event }) => event === 'recovery.regenerated').length, 2)
    const letter = await site.smtp.waitFor(`${owner.person.email}`)
    assert.ok(!letter.raw.includes(`${code}`))
  })

  it('ten requests at the same time leave one set that works', async () => {
    const owner = await atHome(site)
    const pages = await Promise.all(
      Array.from({ length: 10 }, () => press(owner.browser, owner.page, { action: 'recovery' })),
    )
    assert.ok(
      pages.every(({ status }) => status === 200),
      pages.map(({ status }) => status).join(),
    )
    const [code] = codesOn(await makeCodes(owner))
    assertPage((await signInWith(site, owner, code)).page, 'account', undefined, 200)
  })

  it('says so when few are left', async () => {
    const owner = await atHome(site)
    const codes = codesOn(await makeCodes(owner))
    for (const code of codes.slice(0, 7)) assertPage((await signInWith(site, owner, code)).page, 'account')
    site.gateway.clock.advance(MINUTE)
    const { page } = await atHome(site, owner)
    assert.match(sectionOf(page, 'recovery'), /Only 3 recovery codes are left/)
  })
})

onEachStore('recovery codes', (testSite) => {
  const aged = testSite()
  it('need a second factor of the last five minutes', async () => {
    // The engine goes by the real time: what is to be old now was done while the clock was behind.
    aged.gateway.clock.advance(-6 * MINUTE)
    const owner = await atHome(aged).finally(() => aged.gateway.clock.advance(6 * MINUTE))
    const asked = assertPage(await press(owner.browser, owner.page, { action: 'recovery' }), 'verify-totp')
    const bound = await aged.gateway.installation.bindings.list(owner.person.id)
    assert.equal(aged.gateway.installation.recoveryCodes.left(bound), 0)
    const page = await owner.browser.submit(asked, { code: aged.appCode(owner.secret) })
    assert.equal(codesOn(await makeCodes({ ...owner, page })).length, 10)
  })

  describe('switched off', () => {
    const site = testSite({ config: { mfa: { enabled: true, methods: ['totp'], recoveryCodes: 0 } } })
    it('there is no such section, and no such action', async () => {
      const { browser, page } = await atHome(site)
      assert.equal(page.find('[data-section=recovery]'), undefined)
      const { csrf = '' } = page.form?.hidden ?? {}
      assertPage(await browser.post(pageOf(site), { csrf, action: 'recovery' }), 'account', 'bad-request', 400)
    })
  })

  describe('where somebody has the mailbox alone', () => {
    const site = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['email', 'totp'] } } })
    it('FB-1: there are no codes that are worth more than what opened the page', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const login = await browser.get(pageOf(site))
      const choice = await browser.submit(login, { username: person.username, password: person.password })
      const asked = assertPage(await browser.submit(choice, { method: 'email' }), 'verify-email')
      const page = assertPage(await browser.submit(asked, { code: site.mailed(person) }), 'account', undefined, 200)
      assert.equal(page.find('[data-section=recovery]'), undefined)
      const { csrf = '' } = page.form?.hidden ?? {}
      assertPage(await browser.post(pageOf(site), { csrf, action: 'recovery' }), 'account', 'bad-request', 400)
    })
  })

  describe('where somebody has no second factor', () => {
    const site = testSite({ config: { mfa: { enabled: false, optOut: { understood: true, disableMfa: true } } } })
    it('there is nothing that a code could stand in for', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const login = await browser.get(pageOf(site))
      const page = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(page, 'account', undefined, 200)
      assert.equal(page.find('[data-section=recovery]'), undefined)
    })
  })
})
