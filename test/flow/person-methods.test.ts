import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Person } from '../harness/gateway.ts'
import { decodeQrUrl } from '../harness/qr.ts'
import { codeAt, wrongCode } from '../harness/totp-app.ts'
import { appCode, assertPage, onEachStore, type Site } from './person-site.ts'

const bindingsOf = (site: Site, { id }: Person) => site.gateway.site.bindings.list(id)
const typesOf = async (site: Site, person: Person) => (await bindingsOf(site, person)).map(({ type }) => type)

onEachStore('app alone, no mail server', (site) => {
  const here = site({ config: { mfa: { enabled: true, methods: ['totp'] } } })

  test('the first sign-in shows a QR and the key; a valid code binds it and signs in (D1)', async () => {
    const person = await here.person()
    const browser = here.browser()
    const page = assertPage(await here.enter(browser, person), 'bind-totp', undefined, 200)
    const secret = page.text('[data-secret]')
    assert.match(secret, /^[A-Z2-7 ]+$/)
    const uri = new URL(decodeQrUrl(`${page.find('img[alt^=QR]')?.attributes.src}`))
    assert.equal(uri.protocol, 'otpauth:')
    assert.equal(uri.searchParams.get('secret'), secret.replaceAll(' ', ''))
    assert.match(decodeURIComponent(uri.pathname), new RegExp(`:${person.username}$`))
    const wrong = await browser.submit(page, { code: wrongCode(secret, here.now()) })
    assertPage(wrong, 'bind-totp', 'code', 401)
    assert.equal(wrong.text('[data-secret]'), secret, 'a wrong code keeps the key that was scanned')
    const { claims } = await here.redeem(await browser.submit(wrong, { code: appCode(here, secret), label: 'Phone' }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'])
    const [binding] = await bindingsOf(here, person)
    assert.equal(binding?.label, 'Phone')
  })

  test('a bound app: its code signs in, and no key is on the page (D2, D5)', async () => {
    const person = await here.person()
    const secret = await here.bindApp(person)
    const browser = here.browser()
    const page = assertPage(await here.enter(browser, person), 'verify-totp', undefined, 200)
    assert.equal(page.find('[data-secret]'), undefined)
    assert.ok(!page.body.includes(secret))
    const { claims } = await here.redeem(await browser.submit(page, { code: appCode(here, secret) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
  })

  test('leaving the page binds nothing, and its key is worth nothing elsewhere (D1)', async () => {
    const person = await here.person()
    const left = await here.enter(here.browser(), person)
    const browser = here.browser()
    const page = await here.enter(browser, person)
    assert.deepEqual(await bindingsOf(here, person), [])
    assert.notEqual(page.text('[data-secret]'), left.text('[data-secret]'))
    const tried = await browser.submit(page, { code: appCode(here, left.text('[data-secret]')) })
    assert.deepEqual([tried.page, tried.status], ['bind-totp', 401])
    assert.deepEqual(await bindingsOf(here, person), [])
  })

  test('the code that bound the app does not sign in once more (TO-7)', async () => {
    const person = await here.person()
    const browser = here.browser()
    const page = await here.enter(browser, person)
    const secret = page.text('[data-secret]')
    const code = appCode(here, secret)
    await here.redeem(await browser.submit(page, { code }))
    const other = here.browser()
    assertPage(await other.submit(await here.enter(other, person), { code }), 'verify-totp', 'code', 401)
  })

  test('a key that the form brings along is ignored (TO-1)', async () => {
    const person = await here.person()
    const browser = here.browser()
    const page = await here.enter(browser, person)
    const own = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
    const fields = { ...page.form?.hidden, code: codeAt(own, here.now()), secret: own, key: own }
    const tried = await browser.post(page.url, fields, { from: page.url })
    assert.deepEqual([tried.page, tried.status], ['bind-totp', 401])
  })
})

onEachStore('app alone, mail configured', (site) => {
  const here = site({ mail: 'on', config: { mfa: { enabled: true, methods: ['totp'] } } })

  test('who has an address proves it by a mailed code first, then binds, in the same sign-in', async () => {
    const person = await here.person()
    const browser = here.browser()
    let page = assertPage(await here.enter(browser, person), 'verify-email', undefined, 200)
    assert.equal(page.find('input[name=remember]'), undefined, 'the code of the guard remembers nobody')
    const { url } = page
    page = assertPage(await browser.submit(page, { code: here.mailed(person) }), 'bind-totp')
    assert.equal(page.url, url)
    const { claims } = await here.redeem(
      await browser.submit(page, { code: appCode(here, page.text('[data-secret]')) }),
    )
    assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'], 'a kind that is not allowed adds nothing')
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    const next = here.browser()
    assertPage(await here.enter(next, person), 'verify-totp')
  })

  test('who has no address gets the QR after the password: there is nothing else to prove', async () => {
    const person = await here.person({ email: null })
    assertPage(await here.enter(here.browser(), person), 'bind-totp', undefined, 200)
    assert.equal(here.smtp.messages.filter(({ to }) => to.includes(`${person.email}`)).length, 0)
  })
})

onEachStore('mail alone', (site) => {
  const here = site({ mail: 'on', config: { mfa: { enabled: true, methods: ['email'] } } })

  test('after the right password a code goes to the address on record, shown masked, and signs in (C1)', async () => {
    const person = await here.person()
    const browser = here.browser()
    const page = assertPage(await here.enter(browser, person), 'verify-email', undefined, 200)
    assert.ok(!page.body.includes(`${person.email}`), 'the address is masked')
    assert.ok(page.text().includes('•••@'))
    const signedIn = await here.redeem(await browser.submit(page, { code: here.mailed(person) }))
    assert.equal(signedIn.claims.acr, 'urn:stepgate:acr:2sv')
    assert.deepEqual(signedIn.claims.amr, ['pwd', 'otp', 'mca', 'mfa'])
  })

  test('nothing is mailed before the password is right (EM-9)', async () => {
    const person = await here.person()
    const browser = here.browser()
    const page = await here.open(browser)
    assertPage(await browser.submit(page, { username: person.username, password: 'wrong' }), 'login', 'credentials')
    assert.throws(() => here.mailed(person))
  })

  test('the first code entered binds the mailbox and verifies the address: userinfo says so', async () => {
    const person = await here.person()
    const before = await here.gateway.site.accounts.find(person.id)
    assert.equal(before?.emailVerified, false)
    const signedIn = await here.signInByMail(here.browser(), person)
    assert.deepEqual(await typesOf(here, person), ['email'])
    const userinfo = await signedIn.userinfo()
    assert.equal(userinfo.email_verified, true)
    assert.equal(userinfo.email, person.email)
    await here.signInByMail(here.browser(), person)
    assert.deepEqual(await typesOf(here, person), ['email'], 'and binds it once')
  })

  test('without an address: stopped after the password, told whom to ask, never asked for one (C6)', async () => {
    const person = await here.person({ email: null })
    const browser = here.browser()
    const login = await here.open(browser)
    const wrong = await browser.submit(login, { username: person.username, password: 'wrong' })
    assertPage(wrong, 'login', 'credentials', 401)
    const page = await browser.submit(login, { username: person.username, password: person.password })
    assertPage(page, 'error', 'no-address', 403)
    assert.deepEqual(
      page.findAll('main input').filter(({ attributes }) => attributes.type !== 'hidden'),
      [],
    )
    assert.match(page.text(), /administrator/)
    assertPage(await browser.get(login.url), 'error', 'no-address', 403)
    const fields = { ...login.form?.hidden, step: 'verify-email', code: '000000', email: 'me@example.test' }
    const posted = await browser.post(login.url, fields, { from: login.url })
    assert.notEqual(posted.status, 200)
    assert.equal(posted.location, undefined)
    assert.equal((await here.gateway.site.accounts.find(person.id))?.email, undefined)
  })

  test('a bound app stays where it is and is neither asked for nor accepted (B2)', async () => {
    const person = await here.person()
    const secret = await here.bindApp(person)
    const browser = here.browser()
    const page = assertPage(await here.enter(browser, person), 'verify-email')
    assert.equal(
      page.form?.buttons.some(({ value }) => value === 'choose'),
      false,
    )
    const fields = { ...page.form?.hidden, step: 'verify-totp', method: 'totp', code: appCode(here, secret) }
    const posted = await browser.post(page.url, fields, { from: page.url })
    assertPage(posted, 'verify-email')
    assert.deepEqual(await typesOf(here, person), ['totp'])
  })
})

onEachStore('app and mail', (site) => {
  const here = site({ mail: 'on', config: { mfa: { enabled: true, methods: ['email', 'totp'] } } })

  test('nothing used yet: the person picks first, and no mail goes out before that (B3)', async () => {
    const person = await here.person()
    const browser = here.browser()
    const page = assertPage(await here.enter(browser, person), 'choose', undefined, 200)
    assert.deepEqual(
      page.form?.buttons.filter(({ name }) => name === 'method').map(({ value }) => value),
      ['email', 'totp'],
    )
    assert.throws(() => here.mailed(person))
    const verify = assertPage(await browser.submit(page, { method: 'email' }), 'verify-email')
    const { claims } = await here.redeem(await browser.submit(verify, { code: here.mailed(person) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:2sv')
  })

  test('sign-in opens on the kind last used, and one can switch before finishing (B3)', async () => {
    const person = await here.person()
    const secret = await here.bindApp(person)
    await here.gateway.site.bindings.list(person.id)
    let browser = here.browser()
    let page = assertPage(await here.enter(browser, person), 'verify-totp')
    page = assertPage(await browser.submit(page, { action: 'choose' }), 'choose')
    page = assertPage(await browser.submit(page, { method: 'email' }), 'verify-email')
    page = assertPage(await browser.submit(page, { action: 'choose' }), 'choose')
    page = assertPage(await browser.submit(page, { method: 'totp' }), 'verify-totp')
    page = assertPage(await browser.submit(page, { action: 'choose' }), 'choose')
    page = assertPage(await browser.submit(page, { method: 'email' }), 'verify-email')
    await here.redeem(await browser.submit(page, { code: here.mailed(person) }))
    browser = here.browser()
    page = assertPage(await here.enter(browser, person), 'verify-email')
    page = await browser.submit(await browser.submit(page, { action: 'choose' }), { method: 'totp' })
    here.gateway.clock.advance(1)
    const { claims } = await here.redeem(await browser.submit(page, { code: appCode(here, secret) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    assertPage(await here.enter(here.browser(), person), 'verify-totp')
  })

  test('picking the app with an address on record: the mailed code first, then the QR, one interaction, two factors', async () => {
    const person = await here.person()
    const browser = here.browser()
    const choice = await here.enter(browser, person)
    let page = assertPage(await browser.submit(choice, { method: 'totp' }), 'verify-email')
    assert.equal(page.url, choice.url)
    page = assertPage(await browser.submit(page, { code: here.mailed(person) }), 'bind-totp')
    assert.equal(page.url, choice.url)
    const { claims } = await here.redeem(
      await browser.submit(page, { code: appCode(here, page.text('[data-secret]')) }),
    )
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    assert.deepEqual((await typesOf(here, person)).sort(), ['email', 'totp'])
  })

  test('who has proved the address may still change their mind and finish without the app', async () => {
    const person = await here.person()
    const browser = here.browser()
    let page = await browser.submit(await here.enter(browser, person), { method: 'totp' })
    page = assertPage(await browser.submit(page, { code: here.mailed(person) }), 'bind-totp')
    const { claims } = await here.redeem(await browser.submit(page, { action: 'choose' }))
    assert.equal(claims.acr, 'urn:stepgate:acr:2sv')
    assert.deepEqual(await typesOf(here, person), ['email'])
  })

  test('without an address the app is offered, and nothing else (C6)', async () => {
    const person = await here.person({ email: null })
    const browser = here.browser()
    const page = assertPage(await here.enter(browser, person), 'bind-totp', undefined, 200)
    assert.equal(
      page.form?.buttons.some(({ value }) => value === 'choose'),
      false,
    )
    await here.redeem(await browser.submit(page, { code: appCode(here, page.text('[data-secret]')) }))
    assert.deepEqual(await typesOf(here, person), ['totp'])
  })

  test('a kind that is not offered cannot be picked', async () => {
    const person = await here.person()
    const browser = here.browser()
    const page = await here.enter(browser, person)
    for (const method of ['recovery', 'password', '', '__proto__']) {
      const answer = await browser.post(page.url, { ...page.form?.hidden, method }, { from: page.url })
      assertPage(answer, 'choose', 'bad-request', 400)
    }
  })
})
