import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { BrowserResponse } from '../harness/http-client.ts'
import { atHome, pageOf, press, sectionOf } from './account-site.ts'
import { assertPage, onEmbeddedStores } from './person-site.ts'

const languageOf = (page: BrowserResponse): string | undefined => page.find('html')?.attributes.lang

onEmbeddedStores('the language that somebody has chosen', (site) => {
  const here = site({
    mail: 'on',
    config: {
      mfa: { enabled: true, methods: ['email', 'totp'], email: { maxSendsPerHour: 100 } },
      policy: { rules: [{ name: 'mails', when: { groups: ['mails'] }, methods: ['email'] }] },
    },
    client: { firstParty: false },
  })

  async function swede(): Promise<Person> {
    const person = await here.person({ groups: ['mails'] })
    await here.gateway.site.accounts.update(person.id, { locale: 'sv' }, { event: 'user.changed', outcome: 'ok' })
    return person
  }

  test('is that of the pages and mails once the password has said who it is, and not before', async () => {
    const [person, browser] = [await swede(), here.browser({ language: 'en' })]
    const login = await here.open(browser)
    assert.equal(languageOf(login), 'en')
    const wrong = await browser.submit(login, { username: person.username, password: 'not the password' })
    assert.equal(languageOf(wrong), 'en', 'a wrong password tells nothing of the account (EN-3)')
    const page = await browser.submit(wrong, { username: person.username, password: person.password })
    assertPage(page, 'verify-email', undefined, 200)
    assert.equal(languageOf(page), 'sv')
    const letter = await here.smtp.waitFor(`${person.email}`)
    assert.equal(letter.headers.get('content-language'), 'sv')
    const consent = assertPage(await browser.submit(page, { code: here.mailed(person) }), 'consent')
    assert.equal(languageOf(consent), 'sv')
  })

  test('stands behind what the request asks for, and a language that is no longer there counts for nothing', async () => {
    const person = await swede()
    const asked = await here.enter(here.browser({ language: 'sv' }), person, { ui_locales: 'en' })
    assert.equal(languageOf(asked), 'en')
    await here.gateway.site.accounts.update(person.id, { locale: 'fi' }, { event: 'user.changed', outcome: 'ok' })
    assert.equal(languageOf(await here.enter(here.browser({ language: 'sv' }), person)), 'sv')
  })

  test('is that of the pages of the sign-out, the last one included', async () => {
    const [person, browser] = [await swede(), here.browser({ language: 'en' })]
    const consent = await browser.submit(await here.enter(browser, person), { code: here.mailed(person) })
    await here.redeem(await browser.submit(consent, { action: 'allow' }))
    const end = new URL('/session/end', here.gateway.issuer)
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
    here.gateway.clock.advance(-6 * MINUTE)
    const person = await here.person()
    const { browser, page } = await atHome(here, { person, secret: await here.bindApp(person) }).finally(() =>
      here.gateway.clock.advance(6 * MINUTE),
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
    assert.equal((await here.gateway.site.accounts.find(person.id))?.locale, undefined)
    for (const locale of ['fi', 'xx', '../en', '__proto__']) {
      const csrf = `${page.form?.hidden.csrf}`
      const wrong = await browser.post(pageOf(here), { csrf, action: 'language', locale })
      assertPage(wrong, 'account', 'bad-request', 400)
    }
    const events = await here.gateway.site.audit.list({ account: person.id })
    assert.equal(events.filter(({ event }) => event === 'user.changed').length, 3)
  })
})
