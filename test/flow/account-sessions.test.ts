import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { atHome, codeSent, formOf, pageOf, press, sectionOf } from './account-site.ts'
import { assertPage, onEachStore, otherCode, type TestSite } from './person-site.ts'

/** Another browser of the same person, signed in at the relying party; a minute later, since a code works once. */
async function elsewhere(site: TestSite, { person, secret }: Awaited<ReturnType<typeof atHome>>) {
  site.gateway.clock.advance(MINUTE / 2)
  const userAgent = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1'
  const browser = site.browser({ userAgent })
  const asked = await site.enter(browser, person)
  const { tokens } = await site.redeem(await browser.submit(asked, { code: site.appCode(secret) }))
  return { browser, tokens }
}

const stillIn = async (site: TestSite, browser: ReturnType<TestSite['browser']>): Promise<boolean> =>
  (await site.open(browser, { prompt: 'none' })).location?.includes('code=') === true

onEachStore('sessions and activity on the account page', (testSite) => {
  const site = testSite({ mail: 'on' })

  describe('SE-9: sessions', () => {
    it('are listed with browser and application; one is ended, or all but this one', async () => {
      const owner = await atHome(site)
      const { browser } = owner
      const [one, two] = [await elsewhere(site, owner), await elsewhere(site, owner)]
      const page = await browser.get(pageOf(site))
      const shown = sectionOf(page, 'sessions')
      assert.match(shown, /Safari on iOS.*Signed in to/)
      assert.match(page.text('[data-section=sessions] [data-current]'), /this browser/)
      assert.ok(!shown.includes('stepgate-account'))
      const [newest = assert.fail()] = page.forms.filter(({ buttons }) => buttons.some(({ value }) => value === 'end'))
      const after = assertPage(await browser.submit(page, { action: 'end' }, { form: newest }), 'account')
      assert.deepEqual([await stillIn(site, one.browser), await stillIn(site, two.browser)], [true, false])
      assertPage(await press(browser, after, { action: 'end-all' }), 'account', undefined, 200)
      assert.equal(await stillIn(site, one.browser), false)
      assertPage(await browser.get(pageOf(site)), 'account')
    })

    it('FB-6: of others are not found, and go on', async () => {
      const [own, other] = [await atHome(site), await atHome(site)]
      const account = (await site.gateway.installation.accounts.find(other.person.id)) ?? assert.fail()
      const [session] = await site.gateway.sessions.list(account)
      const { csrf } = formOf(own.page, 'end-all').hidden
      const page = await own.browser.post(pageOf(site), { csrf, action: 'end', id: `${session?.id}` })
      assertPage(page, 'error', 'not-found', 404)
      assertPage(await other.browser.get(pageOf(site)), 'account')
    })
  })

  describe('FB-9: a change of factors', () => {
    it('ends all other sessions, and not this one, and is told by mail (FB-8)', async () => {
      const owner = await atHome(site)
      const { browser } = owner
      const before = await elsewhere(site, owner)
      const bind = await press(browser, owner.page, { action: 'add-totp' })
      const code = site.appCode(bind.text('[data-secret]'))
      const added = assertPage(await browser.submit(bind, { code }), 'account', undefined, 200)
      assert.equal(await stillIn(site, before.browser), false)
      const after = await elsewhere(site, owner)
      const gone = await press(browser, added, { action: 'remove' })
      assertPage(gone, 'account', undefined, 200)
      assert.equal(await stillIn(site, after.browser), false)
      assert.ok(await stillIn(site, browser))
      for (const subject of [/was added/, /was removed/]) {
        await site.smtp.waitFor((mail) => mail.to.includes(`${owner.person.email}`) && subject.test(mail.subject))
      }
    })
  })

  describe('G3, G4: activity', () => {
    it('tells a change that failed from one that was made', async () => {
      const { browser, page, person } = await atHome(site)
      const newPassword = 'seven green bicycles'
      const change = (password: string) =>
        press(browser, page, { action: 'password', fields: { password, newPassword, newPasswordAgain: newPassword } })
      const refused = assertPage(await change('not the password'), 'account', 'credentials')
      assert.match(sectionOf(refused, 'activity'), /A change of the password that failed/)
      assert.doesNotMatch(sectionOf(refused, 'activity'), /The password was changed/)
      const address = `new-${person.email}`
      const sent = await codeSent(site, address, () => press(browser, page, { action: 'address', fields: { address } }))
      const typed = { code: otherCode(sent.code) }
      assertPage(await browser.submit(sent.page, typed), 'confirm-address', 'code')
      const tried = await browser.get(pageOf(site))
      assert.match(sectionOf(tried, 'activity'), /A change of the email address that failed/)
      assert.doesNotMatch(sectionOf(tried, 'activity'), /The email address was changed/)
      site.gateway.clock.advance(SECOND)
      await change(person.password)
      const done = sectionOf(await browser.get(pageOf(site)), 'activity')
      assert.match(done, /The password was changed.*A change of the password that failed/)
    })

    it('shows what happened, newest first, and ends everything on "this was not me"', async () => {
      const owner = await atHome(site)
      const { browser, person } = owner
      const other = await elsewhere(site, owner)
      const page = await browser.get(pageOf(site))
      assert.match(sectionOf(page, 'activity'), /Signed in.*Signed in/)
      const gone = assertPage(await press(browser, page, { action: 'not-me' }), 'disowned', undefined, 200)
      assert.match(gone.text(), /change it now/)
      assertPage(await browser.get(pageOf(site)), 'login')
      assert.equal(await stillIn(site, other.browser), false)
      const mail = await site.smtp.waitFor(`${person.email}`)
      assert.match(mail.text, /ended/)
      const events = await site.gateway.installation.audit.list({ account: person.id, events: ['session.disowned'] })
      assert.equal(events.length, 1)
    })
  })
})
