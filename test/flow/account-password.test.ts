import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import { atHome, formOf, type Owner, pageOf, press } from './account-site.ts'
import { assertPage, type BrowserResponse, onEachStore } from './person-site.ts'

const NEXT = 'seven green bicycles'

interface Typed {
  password?: string
  newPassword?: string
  newPasswordAgain?: string
}

onEachStore('a new password on the account page (PW-12)', (testSite) => {
  const site = testSite({ mail: 'on' })

  function change({ person, browser, page }: Owner, typed: Typed = {}): Promise<BrowserResponse> {
    const { password = person.password, newPassword = NEXT, newPasswordAgain = newPassword } = typed
    return press(browser, page, { action: 'password', fields: { password, newPassword, newPasswordAgain } })
  }

  const accepted = async (owner: Owner, password: string): Promise<boolean> =>
    (await site.gateway.installation.accounts.authenticate(owner.person.username, password)) !== undefined

  const eventsOf = async ({ person }: Owner): Promise<string[]> => {
    await site.gateway.installation.trail.flush()
    const events = await site.gateway.installation.audit.list({ account: person.id })
    return events.filter(({ event }) => event === 'password.changed').map(({ outcome }) => outcome)
  }

  async function tokenOf(owner: Owner): Promise<string> {
    const { tokens } = await site.redeem(await site.open(owner.browser))
    return `${tokens.refresh_token}`
  }

  it('needs a second factor of the last five minutes', async () => {
    // The engine goes by the real time: what is to be old now was done while the clock was behind.
    site.gateway.clock.advance(-6 * MINUTE)
    const owner = await atHome(site).finally(() => site.gateway.clock.advance(6 * MINUTE))
    const asked = assertPage(await change(owner), 'verify-totp')
    assert.equal(await accepted(owner, owner.person.password), true)
    const page = await owner.browser.submit(asked, { code: site.appCode(owner.secret) })
    assertPage(page, 'account', undefined, 200)
    assertPage(await change({ ...owner, page }), 'account', undefined, 200)
    assert.equal(await accepted(owner, NEXT), true)
  })

  it('signs in from then on, the old one never again; this browser stays, every other session and token ends', async () => {
    const owner = await atHome(site)
    const token = await tokenOf(owner)
    site.gateway.clock.advance(MINUTE)
    const other = await atHome(site, owner)
    const otherToken = await tokenOf(other)
    const done = assertPage(await change(owner), 'account', undefined, 200)
    assert.match(done.text(), /Your password is changed/)
    assert.deepEqual([await accepted(owner, owner.person.password), await accepted(owner, NEXT)], [false, true])
    assertPage(await owner.browser.get(pageOf(site)), 'account')
    assertPage(await other.browser.get(pageOf(site)), 'login')
    for (const dead of [token, otherToken]) {
      await assert.rejects(site.party().refresh(dead), { error: 'invalid_grant' })
    }
    await site.redeem(await site.open(owner.browser))
    assertPage(await site.open(other.browser), 'login')
    assert.deepEqual(await eventsOf(owner), ['ok'])
    const letter = await site.smtp.waitFor(`${owner.person.email}`)
    assert.match(letter.text, /password/i)
  })

  it('a wrong current password changes nothing, and is counted before it is judged, as at sign-in', async () => {
    const owner = await atHome(site)
    const answers = await Promise.all(Array.from({ length: 12 }, () => change(owner, { password: 'not the password' })))
    const judged = answers.filter(({ error }) => error === 'credentials')
    assert.equal(judged.length, 5)
    assert.ok(
      answers.every(({ error, page }) => page === 'account' && ['credentials', 'throttled'].includes(`${error}`)),
    )
    const right = assertPage(await change(owner), 'account', 'throttled', 429)
    assert.ok(Number(right.headers['retry-after']) > 0)
    assert.equal(await accepted(owner, owner.person.password), true)
    assert.deepEqual([...new Set(await eventsOf(owner))], ['fail'])
  })

  it('tells why a password may not be set, and takes no try for it', async () => {
    const owner = await atHome(site)
    const { username } = owner.person
    for (const [fields, told] of [
      [{ newPassword: 'short' }, /at least 8 characters/],
      [{ newPassword: 'x'.repeat(300) }, /256 characters/],
      [{ newPassword: username }, /made of your name/],
      [{ newPassword: 'password1' }, /tried first everywhere/],
      [{ newPasswordAgain: `${NEXT}!` }, /not the same/],
    ] as const) {
      const page = assertPage(
        await change(owner, { ...fields, password: 'not the password' }),
        'account',
        'password',
        400,
      )
      assert.match(page.text('[role=alert]'), told)
      assert.equal(page.find('#new-password')?.attributes['aria-invalid'], 'true')
      const typed = page.findAll('input[type=password]').map(({ attributes }) => attributes.value)
      assert.deepEqual(typed, [undefined, undefined, undefined], 'nothing typed comes back')
    }
    assert.equal(await accepted(owner, owner.person.password), true)
    assertPage(await change(owner), 'account', undefined, 200)
  })

  it('two at the same time: one of them, and its browser goes on', async () => {
    const owner = await atHome(site)
    site.gateway.clock.advance(MINUTE)
    const other = await atHome(site, owner)
    const words = ['seven green bicycles', 'eight blue bicycles']
    await Promise.all([owner, other].map((one, index) => change(one, { newPassword: `${words[index]}` })))
    const works = await Promise.all(words.map((word) => accepted(owner, word)))
    assert.equal(works.filter(Boolean).length, 1)
    assert.deepEqual(
      (await eventsOf(owner)).filter((outcome) => outcome === 'ok'),
      ['ok'],
    )
    const pages = await Promise.all([owner, other].map(({ browser }) => browser.get(pageOf(site))))
    assert.deepEqual(
      pages.map(({ page }) => page),
      works.map((won) => (won ? 'account' : 'login')),
    )
  })

  it("CVE-2023-34927: another page's form, or another session's, sets no password", async () => {
    const [owner, other] = [await atHome(site), await atHome(site)]
    const fields = { action: 'password', password: owner.person.password, newPassword: NEXT, newPasswordAgain: NEXT }
    const { csrf = '' } = formOf(owner.page, 'password').hidden
    const foreign = formOf(other.page, 'password').hidden.csrf
    for (const given of [{}, { csrf: foreign }, { csrf: '' }]) {
      assertPage(await owner.browser.post(pageOf(site), { ...fields, ...given }), 'error', 'csrf', 403)
    }
    const elsewhere = { headers: { origin: 'https://evil.test' } }
    assertPage(await owner.browser.post(pageOf(site), { ...fields, csrf }, elsewhere), 'error', 'csrf', 403)
    assert.equal(await accepted(owner, owner.person.password), true)
  })
})

describe('where a password alone lets people in', () => {
  onEachStore('a new password', (testSite) => {
    const site = testSite({ config: { mfa: { enabled: false, optOut: { understood: true, disableMfa: true } } } })
    it('needs 15 characters (PW-1)', async () => {
      const person = await site.person()
      const browser = site.browser()
      const login = await browser.get(pageOf(site))
      const page = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(page, 'account', undefined, 200)
      const typed = (newPassword: string) => ({ password: person.password, newPassword, newPasswordAgain: newPassword })
      const short = await press(browser, page, { action: 'password', fields: typed('fourteen chars') })
      assert.match(assertPage(short, 'account', 'password', 400).text('[role=alert]'), /15/)
      assertPage(await press(browser, page, { action: 'password', fields: typed(NEXT) }), 'account', undefined, 200)
    })
  })
})
