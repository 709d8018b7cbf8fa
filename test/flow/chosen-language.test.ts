import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Person } from '../harness/gateway.ts'
import type { BrowserResponse } from '../harness/http-client.ts'
import { assertPage, onEmbeddedStores } from './person-site.ts'

const languageOf = (page: BrowserResponse): string | undefined => page.find('html')?.attributes.lang

onEmbeddedStores('the language that somebody has chosen', (site) => {
  const here = site({
    mail: 'on',
    config: { mfa: { enabled: true, methods: ['email'], email: { maxSendsPerHour: 100 } } },
    client: { firstParty: false },
  })

  async function swede(): Promise<Person> {
    const person = await here.person()
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
})
