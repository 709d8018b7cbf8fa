import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { BrowserResponse } from '../harness/http-client.ts'
import { atHome, pageOf, press, sectionOf } from './account-site.ts'
import { assertPage, onEmbeddedStores } from './person-site.ts'

const languageOf = (page: BrowserResponse): string | undefined => page.find('html')?.attributes.lang

onEmbeddedStores('the language that somebody has chosen', (testSite) => {
  const site = testSite({
    mail: 'on',
    config: {
      mfa: { enabled: true, methods: ['email', 'totp'], email: { maxSendsPerHour: 100 } },
      policy: { rules: [{ name: 'mails', when: { groups: ['mails'] }, methods: ['email'] }] },
    },
    client: { firstParty: false },
  })

  async function swede(): Promise<Person> {
    const person = await site.person({ groups: ['mails'] })
    await site.gateway.installation.accounts.update(
      person.id,
      { locale: 'sv' },
      { event: 'user.changed', outcome: 'ok' },
    )
    return person
  }

  test('is that of the pages and mails once the password has said who it is, and not before', async () => {
    const [person, browser] = [await swede(), site.browser({ language: 'en' })]
    const login = await site.open(browser)
    assert.equal(languageOf(login), 'en')
    const wrong = await browser.submit(login, { username: person.username, password: 'not the password' })
    assert.equal(languageOf(wrong), 'en', 'a wrong password tells nothing of the account (EN-3)')
    const page = await browser.submit(wrong, { username: person.username, password: person.password })
    assertPage(page, 'verify-email', undefined, 200)
    assert.equal(languageOf(page), 'sv')
    const letter = await site.smtp.waitFor(`${person.email}`)
    assert.equal(letter.headers.get('content-language'), 'sv')
    const consent = assertPage(await browser.submit(page, { code: site.mailed(person) }), 'consent')
    assert.equal(languageOf(consent), 'sv')
  })

  test('stands behind what the request asks for, and a language that is no longer there counts for nothing', async () => {
    const person = await swede()
    const asked = await site.enter(site.browser({ language: 'sv' }), person, { ui_locales: 'en' })
    assert.equal(languageOf(asked), 'en')
    await site.gateway.installation.accounts.update(
      person.id,
      { locale: 'fi' },
      { event: 'user.changed', outcome: 'ok' },
    )
    assert.equal(languageOf(await site.enter(site.browser({ language: 'sv' }), person)), 'sv')
  })

  test('is that of the pages of the sign-out, the last one included', async () => {
    const [person, browser] = [await swede(), site.browser({ language: 'en' })]
    const consent = await browser.submit(await site.enter(browser, person), { code: site.mailed(person) })
    await site.redeem(await browser.submit(consent, { action: 'allow' }))
    const end = new URL('/session/end', site.gateway.issuer)
    const ask = assertPage(await browser.get(end), 'logout', undefined, 200)
    assert.equal(languageOf(ask), 'sv')
    const english = await browser.get(`${end}?ui_locales=en`)
    assert.equal(languageOf(english), 'en', 'the request comes first')
    const over = assertPage(
      await browser.submit(await browser.get(end), { logout: 'yes' }),
      'signed-out',
      undefined,
      200,
    )
    assert.equal(languageOf(over), 'sv')
  })

  test('is chosen on the account page, whenever somebody proved their second factor last', async () => {
    // The engine goes by the real time: what is to be old now was done while the clock was behind.
    site.gateway.clock.advance(-6 * MINUTE)
    const person = await site.person()
    const { browser, page } = await atHome(site, { person, secret: await site.bindApp(person) }).finally(() =>
      site.gateway.clock.advance(6 * MINUTE),
    )
    assert.equal(languageOf(page), 'en')
    assert.match(sectionOf(page, 'language'), /As my browser says English Svenska/)
    const swedish = await press(browser, page, { action: 'language', fields: { locale: 'sv' } })
    assertPage(swedish, 'account', undefined, 200)
    assert.equal(languageOf(swedish), 'sv')
    const again = await press(browser, swedish, { action: 'language' })
    assert.equal(languageOf(again), 'sv', 'the form shows what was chosen')
    const english = await press(browser, again, { action: 'language', fields: { locale: '' } })
    assert.equal(languageOf(english), 'en')
    assert.equal((await site.gateway.installation.accounts.find(person.id))?.locale, undefined)
    for (const locale of ['fi', 'xx', '../en', '__proto__']) {
      const csrf = `${page.form?.hidden.csrf}`
      const wrong = await browser.post(pageOf(site), { csrf, action: 'language', locale })
      assertPage(wrong, 'account', 'bad-request', 400)
    }
    const events = await site.gateway.installation.audit.list({ account: person.id })
    assert.equal(events.filter(({ event }) => event === 'user.changed').length, 3)
  })
})
