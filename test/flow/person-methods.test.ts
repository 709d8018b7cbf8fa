import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Person } from '../harness/gateway.ts'
import { decodeQrUrl } from '../harness/qr.ts'
import { codeAt, wrongCode } from '../harness/totp-app.ts'
import { assertPage, onEachStore, signInByMail, type TestSite } from './person-site.ts'

const bindingsOf = (site: TestSite, { id }: Person) => site.gateway.installation.bindings.list(id)
const typesOf = async (site: TestSite, person: Person) => (await bindingsOf(site, person)).map(({ type }) => type)

onEachStore('app alone, no mail server', (testSite) => {
  const site = testSite({ config: { mfa: { enabled: true, methods: ['totp'] } } })

  test('the first sign-in shows a QR and the key; a valid code binds it and signs in (D1)', async () => {
    const person = await site.person()
    const browser = site.browser()
    const page = assertPage(await site.enter(browser, person), 'bind-totp', undefined, 200)
    const secret = page.text('[data-secret]')
    assert.match(secret, /^[A-Z2-7 ]+$/)
    const uri = new URL(decodeQrUrl(`${page.find('img[alt^=QR]')?.attributes.src}`))
    assert.equal(uri.protocol, 'otpauth:')
    assert.equal(uri.searchParams.get('secret'), secret.replaceAll(' ', ''))
    assert.match(decodeURIComponent(uri.pathname), new RegExp(`:${person.username}$`))
    const wrong = await browser.submit(page, { code: wrongCode(secret, site.now()) })
    assertPage(wrong, 'bind-totp', 'code', 401)
    assert.equal(wrong.text('[data-secret]'), secret, 'a wrong code keeps the key that was scanned')
    const { claims } = await site.redeem(await browser.submit(wrong, { code: site.appCode(secret), label: 'Phone' }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'])
    const [binding] = await bindingsOf(site, person)
    assert.equal(binding?.label, 'Phone')
  })

  test('a bound app: its code signs in, and no key is on the page (D2, D5)', async () => {
    const person = await site.person()
    const secret = await site.bindApp(person)
    const browser = site.browser()
    const page = assertPage(await site.enter(browser, person), 'verify-totp', undefined, 200)
    assert.equal(page.find('[data-secret]'), undefined)
    assert.ok(!page.body.includes(secret))
    const { claims } = await site.redeem(await browser.submit(page, { code: site.appCode(secret) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
  })

  test('leaving the page binds nothing, and its key is worth nothing elsewhere (D1)', async () => {
    const person = await site.person()
    const left = await site.enter(site.browser(), person)
    const browser = site.browser()
    const page = await site.enter(browser, person)
    assert.deepEqual(await bindingsOf(site, person), [])
    assert.notEqual(page.text('[data-secret]'), left.text('[data-secret]'))
    const tried = await browser.submit(page, { code: site.appCode(left.text('[data-secret]')) })
    assert.deepEqual([tried.page, tried.status], ['bind-totp', 401])
    assert.deepEqual(await bindingsOf(site, person), [])
  })

  test('the code that bound the app does not sign in once more (TO-7)', async () => {
    const person = await site.person()
    const browser = site.browser()
    const page = await site.enter(browser, person)
    const secret = page.text('[data-secret]')
    const code = site.appCode(secret)
    await site.redeem(await browser.submit(page, { code }))
    const other = site.browser()
    assertPage(await other.submit(await site.enter(other, person), { code }), 'verify-totp', 'code', 401)
  })

  test('a key that the form brings along is ignored (TO-1)', async () => {
    const person = await site.person()
    const browser = site.browser()
    const page = await site.enter(browser, person)
    const own = 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP'
    const fields = { ...page.form?.hidden, code: codeAt(own, site.now()), secret: own, key: own }
    const tried = await browser.post(page.url, fields, { from: page.url })
    assert.deepEqual([tried.page, tried.status], ['bind-totp', 401])
  })
})

onEachStore('app alone, mail configured', (testSite) => {
  const site = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['totp'] } } })

  test('who has an address proves it by a mailed code first, then binds, in the same sign-in', async () => {
    const person = await site.person()
    const browser = site.browser()
    let page = assertPage(await site.enter(browser, person), 'verify-email', undefined, 200)
    assert.equal(page.find('input[name=remember]'), undefined, 'the code of the guard remembers nobody')
    const { url } = page
    page = assertPage(await browser.submit(page, { code: site.mailed(person) }), 'bind-totp')
    assert.equal(page.url, url)
    const { claims } = await site.redeem(await browser.submit(page, { code: site.appCode(page.text('[data-secret]')) }))
    assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'], 'a kind that is not allowed adds nothing')
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    const next = site.browser()
    assertPage(await site.enter(next, person), 'verify-totp')
  })

  test('who has no address gets the QR after the password: there is nothing else to prove', async () => {
    const person = await site.person({ email: null })
    assertPage(await site.enter(site.browser(), person), 'bind-totp', undefined, 200)
    assert.equal(site.smtp.messages.filter(({ to }) => to.includes(`${person.email}`)).length, 0)
  })
})

onEachStore('mail alone', (testSite) => {
  const site = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['email'] } } })

  test('after the right password a code goes to the address on record, shown masked, and signs in (C1)', async () => {
    const person = await site.person()
    const browser = site.browser()
    const page = assertPage(await site.enter(browser, person), 'verify-email', undefined, 200)
    assert.ok(!page.body.includes(`${person.email}`), 'the address is masked')
    assert.ok(page.text().includes('•••@'))
    const signedIn = await site.redeem(await browser.submit(page, { code: site.mailed(person) }))
    assert.equal(signedIn.claims.acr, 'urn:stepgate:acr:2sv')
    assert.deepEqual(signedIn.claims.amr, ['pwd', 'otp', 'mca', 'mfa'])
  })

  test('nothing is mailed before the password is right (EM-9)', async () => {
    const person = await site.person()
    const browser = site.browser()
    const page = await site.open(browser)
    assertPage(await browser.submit(page, { username: person.username, password: 'wrong' }), 'login', 'credentials')
    assert.throws(() => site.mailed(person))
  })

  test('the first code entered binds the mailbox and verifies the address: userinfo says so', async () => {
    const person = await site.person()
    const before = await site.gateway.installation.accounts.find(person.id)
    assert.equal(before?.emailVerified, false)
    const signedIn = await signInByMail(site, site.browser(), person)
    assert.deepEqual(await typesOf(site, person), ['email'])
    const userinfo = await signedIn.userinfo()
    assert.equal(userinfo.email_verified, true)
    assert.equal(userinfo.email, person.email)
    await signInByMail(site, site.browser(), person)
    assert.deepEqual(await typesOf(site, person), ['email'], 'and binds it once')
  })

  test('without an address: stopped after the password, told whom to ask, never asked for one (C6)', async () => {
    const person = await site.person({ email: null })
    const browser = site.browser()
    const login = await site.open(browser)
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
    assert.equal((await site.gateway.installation.accounts.find(person.id))?.email, undefined)
  })

  test('a bound app stays where it is and is neither asked for nor accepted (B2)', async () => {
    const person = await site.person()
    const secret = await site.bindApp(person)
    const browser = site.browser()
    const page = assertPage(await site.enter(browser, person), 'verify-email')
    assert.equal(
      page.form?.buttons.some(({ value }) => value === 'choose'),
      false,
    )
    const fields = { ...page.form?.hidden, step: 'verify-totp', method: 'totp', code: site.appCode(secret) }
    const posted = await browser.post(page.url, fields, { from: page.url })
    assertPage(posted, 'verify-email')
    assert.deepEqual(await typesOf(site, person), ['totp'])
  })
})

onEachStore('app and mail', (testSite) => {
  const site = testSite({ mail: 'on', config: { mfa: { enabled: true, methods: ['email', 'totp'] } } })

  test('nothing used yet: the person picks first, and no mail goes out before that (B3)', async () => {
    const person = await site.person()
    const browser = site.browser()
    const page = assertPage(await site.enter(browser, person), 'choose', undefined, 200)
    assert.deepEqual(
      page.form?.buttons.filter(({ name }) => name === 'method').map(({ value }) => value),
      ['email', 'totp'],
    )
    assert.throws(() => site.mailed(person))
    const verify = assertPage(await browser.submit(page, { method: 'email' }), 'verify-email')
    const { claims } = await site.redeem(await browser.submit(verify, { code: site.mailed(person) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:2sv')
  })

  test('sign-in opens on the kind last used, and one can switch before finishing (B3)', async () => {
    const person = await site.person()
    const secret = await site.bindApp(person)
    await site.gateway.installation.bindings.list(person.id)
    let browser = site.browser()
    let page = assertPage(await site.enter(browser, person), 'verify-totp')
    page = assertPage(await browser.submit(page, { action: 'choose' }), 'choose')
    page = assertPage(await browser.submit(page, { method: 'email' }), 'verify-email')
    page = assertPage(await browser.submit(page, { action: 'choose' }), 'choose')
    page = assertPage(await browser.submit(page, { method: 'totp' }), 'verify-totp')
    page = assertPage(await browser.submit(page, { action: 'choose' }), 'choose')
    page = assertPage(await browser.submit(page, { method: 'email' }), 'verify-email')
    await site.redeem(await browser.submit(page, { code: site.mailed(person) }))
    browser = site.browser()
    page = assertPage(await site.enter(browser, person), 'verify-email')
    page = await browser.submit(await browser.submit(page, { action: 'choose' }), { method: 'totp' })
    site.gateway.clock.advance(1)
    const { claims } = await site.redeem(await browser.submit(page, { code: site.appCode(secret) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    assertPage(await site.enter(site.browser(), person), 'verify-totp')
  })

  test('picking the app with an address on record: the mailed code first, then the QR, one interaction, two factors', async () => {
    const person = await site.person()
    const browser = site.browser()
    const choice = await site.enter(browser, person)
    let page = assertPage(await browser.submit(choice, { method: 'totp' }), 'verify-email')
    assert.equal(page.url, choice.url)
    page = assertPage(await browser.submit(page, { code: site.mailed(person) }), 'bind-totp')
    assert.equal(page.url, choice.url)
    const { claims } = await site.redeem(await browser.submit(page, { code: site.appCode(page.text('[data-secret]')) }))
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    assert.deepEqual((await typesOf(site, person)).sort(), ['email', 'totp'])
  })

  test('who has proved the address may still change their mind and finish without the app', async () => {
    const person = await site.person()
    const browser = site.browser()
    let page = await browser.submit(await site.enter(browser, person), { method: 'totp' })
    page = assertPage(await browser.submit(page, { code: site.mailed(person) }), 'bind-totp')
    const { claims } = await site.redeem(await browser.submit(page, { action: 'choose' }))
    assert.equal(claims.acr, 'urn:stepgate:acr:2sv')
    assert.deepEqual(await typesOf(site, person), ['email'])
  })

  test('without an address the app is offered, and nothing else (C6)', async () => {
    const person = await site.person({ email: null })
    const browser = site.browser()
    const page = assertPage(await site.enter(browser, person), 'bind-totp', undefined, 200)
    assert.equal(
      page.form?.buttons.some(({ value }) => value === 'choose'),
      false,
    )
    await site.redeem(await browser.submit(page, { code: site.appCode(page.text('[data-secret]')) }))
    assert.deepEqual(await typesOf(site, person), ['totp'])
  })

  test('a kind that is not offered cannot be picked', async () => {
    const person = await site.person()
    const browser = site.browser()
    const page = await site.enter(browser, person)
    for (const method of ['recovery', 'password', '', '__proto__']) {
      const answer = await browser.post(page.url, { ...page.form?.hidden, method }, { from: page.url })
      assertPage(answer, 'choose', 'bad-request', 400)
    }
  })
})
