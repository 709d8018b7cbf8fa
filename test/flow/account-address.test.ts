import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/secrets.ts'
import { atHome, codeSent, formOf, type Owner, pageOf, press, sectionOf } from './account-site.ts'
import { LIMITS, MAIL, remembered } from './device-site.ts'
import { nameOf } from './person-login.ts'
import { assertPage, type BrowserResponse, onEachStore, otherCode, signInByMail, type TestSite } from './person-site.ts'

const newAddress = (): string => `new-${randomToken(6).toLowerCase()}@example.test`

const ask = ({ browser, page }: Pick<Owner, 'browser' | 'page'>, address: string): Promise<BrowserResponse> =>
  press(browser, page, { action: 'address', fields: { address } })

const accountOf = async (site: TestSite, { person }: Pick<Owner, 'person'>) =>
  (await site.gateway.installation.accounts.find(person.id)) ?? assert.fail()

async function changesOf(site: TestSite, { person }: Pick<Owner, 'person'>): Promise<string[]> {
  await site.gateway.installation.trail.flush()
  const events = await site.gateway.installation.audit.list({ account: person.id })
  return events.filter(({ event }) => event === 'email.change.done').map(({ outcome }) => outcome)
}

/** The page that asks for the code. */
async function waiting(
  site: TestSite,
  owner: Owner,
  address: string,
): Promise<{ page: BrowserResponse; code: string }> {
  const { page, code } = await codeSent(site, address, () => ask(owner, address))
  return { page: assertPage(page, 'confirm-address', undefined, 200), code }
}

onEachStore('a new address on the account page (EM-12)', (testSite) => {
  const site = testSite({ mail: 'on', latency: 3 })

  it('counts once its code has come back; the old and the new one are told, every other session ends', async () => {
    const owner = await atHome(site)
    const old = `${owner.person.email}`
    site.gateway.clock.advance(MINUTE)
    const other = await atHome(site, owner)
    const { tokens } = await site.redeem(await site.open(other.browser))
    const address = newAddress()
    const { page, code } = await waiting(site, owner, address)
    assert.ok(!page.body.includes(code))
    assert.equal((await accountOf(site, owner)).email, old, 'nothing has changed yet')
    const done = assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    assert.match(done.text(), /Your new address is confirmed/)
    const account = await accountOf(site, owner)
    assert.deepEqual([account.email, account.emailVerified], [address, true])
    assertPage(await owner.browser.get(pageOf(site)), 'account')
    assertPage(await other.browser.get(pageOf(site)), 'login')
    await assert.rejects(site.party().refresh(`${tokens.refresh_token}`), { error: 'invalid_grant' })
    for (const told of [old, address]) {
      const letter = await site.smtp.waitFor((mail) => mail.to.includes(told) && !/^\d{6}$/m.test(mail.text))
      assert.match(letter.text, /n•••@e•••\.test/)
      assert.ok(told === address || !letter.raw.includes(address), 'who reads the old mailbox learns no new address')
    }
    assert.equal(await site.gateway.installation.accounts.findByLogin(old), undefined)
    assert.deepEqual(await changesOf(site, owner), ['ok'])
  })

  it('EN-4: one that somebody else signs in with is answered like any other, gets no mail, and no code fits', async () => {
    const other = await site.person()
    const named = await site.person({ username: newAddress(), email: null })
    for (const taken of [`${other.email}`, `${other.email}`.toUpperCase(), named.username]) {
      const owner = await atHome(site)
      const page = assertPage(await ask(owner, taken), 'confirm-address', undefined, 200)
      const wrong = assertPage(await owner.browser.submit(page, { code: '123456' }), 'confirm-address', 'code', 401)
      assert.deepEqual(
        site.smtp.messages.filter(({ to }) => to.includes(taken)),
        [],
      )
      const free = newAddress()
      const { page: usual, code } = await waiting(site, owner, free)
      const typed = { code: otherCode(code) }
      const usualWrong = assertPage(await owner.browser.submit(usual, typed), 'confirm-address', 'code', 401)
      assert.equal(stripped(page.body, taken), stripped(usual.body, free))
      assert.equal(stripped(wrong.body, taken), stripped(usualWrong.body, free))
      assert.equal((await accountOf(site, owner)).email, owner.person.email)
    }
    assert.equal((await site.gateway.installation.accounts.find(other.id))?.emailVerified, false)
  })

  it('EN-4: what the mail server has against a recipient, and how long it takes, are not in the answer', async (t) => {
    const owner = await atHome(site)
    const other = await site.person()
    const { mailer } = site.gateway.installation
    const { promise: slow, resolve: goOn } = Promise.withResolvers<void>()
    const send = t.mock.method(mailer ?? assert.fail(), 'send', () => slow)
    try {
      for (const address of [newAddress(), `${other.email}`]) assertPage(await ask(owner, address), 'confirm-address')
      assert.equal(send.mock.callCount(), 1)
    } finally {
      goOn()
      send.mock.restore()
    }
    site.smtp.setRefuse('rcpt')
    try {
      const [refused, taken] = [newAddress(), `${other.email}`]
      // The limit of an hour for one account, two of which are gone: a letter that was refused has counted too.
      for (const address of [refused, taken, refused]) assertPage(await ask(owner, address), 'confirm-address')
      assertPage(await ask(owner, refused), 'account', 'throttled', 429)
    } finally {
      site.smtp.setRefuse(undefined)
    }
  })

  it('a mail server that is down: `mail`, for a taken address too, and the code from before still works', async () => {
    const owner = await atHome(site)
    const other = await site.person()
    const address = newAddress()
    const { page, code } = await waiting(site, owner, address)
    await site.smtp.stop()
    try {
      for (const wanted of [newAddress(), `${other.email}`]) {
        const refused = assertPage(await ask(owner, wanted), 'account', 'mail', 503)
        assert.ok(Number(refused.headers['retry-after']) > 0)
      }
    } finally {
      await site.smtp.start()
    }
    assert.equal((await accountOf(site, owner)).email, owner.person.email)
    assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    assert.equal((await accountOf(site, owner)).email, address)
  })

  it('RL-4: any number of guesses at once, five are judged, and then the right one is late', async () => {
    const owner = await atHome(site)
    const { page, code } = await waiting(site, owner, newAddress())
    const guesses = Array.from({ length: 12 }, () => owner.browser.submit(page, { code: otherCode(code) }))
    const answers = (await Promise.all(guesses)).map(({ error }) => `${error}`)
    assert.equal(answers.filter((error) => error === 'code').length, 5)
    assert.deepEqual([...new Set(answers)].sort(), ['code', 'expired'])
    const late = assertPage(await owner.browser.submit(page, { code }), 'confirm-address', 'expired', 410)
    assert.deepEqual(late.form?.fields, [], 'there is nothing to type a code into')
    assert.equal((await accountOf(site, owner)).email, owner.person.email)
  })

  it('EM-6: the right code, ten times at once, changes the address once', async () => {
    const owner = await atHome(site)
    const { page, code } = await waiting(site, owner, newAddress())
    const answers = await Promise.all(Array.from({ length: 10 }, () => owner.browser.submit(page, { code })))
    // The fifth answer and the later ones were too late to be judged; nobody is told that anything was wrong with the
    // code.
    assert.ok(answers.every(({ error }) => error !== 'code'))
    assert.deepEqual(
      (await changesOf(site, owner)).filter((outcome) => outcome === 'ok'),
      ['ok'],
    )
  })

  it('EM-5: the code fits the session and the browser that asked, and no others', async () => {
    const owner = await atHome(site)
    site.gateway.clock.advance(MINUTE)
    const other = await atHome(site, owner)
    const [mine, theirs] = [newAddress(), newAddress()]
    const { page, code } = await waiting(site, owner, mine)
    const second = await waiting(site, other, theirs)
    assertPage(await other.browser.submit(second.page, { code }), 'confirm-address', 'code', 401)
    const stranger = await atHome(site)
    const csrf = formOf(stranger.page, 'address').hidden.csrf
    assertPage(await stranger.browser.post(`${pageOf(site)}/confirm-address`, { csrf, code }), 'account', undefined)
    const thief = await owner.browser.copy()
    await thief.clear('stepgate-browser')
    assertPage(await thief.submit(page, { code }), 'error', 'csrf', 403)
    const shown = await thief.get(pageOf(site))
    const own = formOf(shown, 'address').hidden.csrf
    assertPage(await thief.post(`${pageOf(site)}/confirm-address`, { csrf: own, code }), 'account')
    assert.equal((await accountOf(site, owner)).email, owner.person.email)
    assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    assert.equal((await accountOf(site, owner)).email, mine)
    // The other session has ended, and its code with it.
    assertPage(await other.browser.submit(second.page, { code: second.code }), 'login')
    assert.equal((await accountOf(site, owner)).email, mine)
  })

  it('what changes password or factors in between ends the code', async () => {
    const owner = await atHome(site)
    const { page, code } = await waiting(site, owner, newAddress())
    await site.bindApp(owner.person)
    assertPage(await owner.browser.submit(page, { code }), 'account')
    assert.equal((await accountOf(site, owner)).email, owner.person.email)
  })

  it('two accounts that wait for the same address: one gets it', async () => {
    const [owner, other] = [await atHome(site), await atHome(site)]
    const address = newAddress()
    const first = await waiting(site, owner, address)
    const second = await waiting(site, other, address)
    const answers = await Promise.all([
      owner.browser.submit(first.page, { code: first.code }),
      other.browser.submit(second.page, { code: second.code }),
    ])
    const emails = [(await accountOf(site, owner)).email, (await accountOf(site, other)).email]
    assert.equal(emails.filter((email) => email === address).length, 1)
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 410])
  })

  it('no form can mark an address as verified (CVE-2026-27946), and none but one plain address gets a code', async () => {
    const owner = await atHome(site)
    const csrf = `${formOf(owner.page, 'address').hidden.csrf}`
    const flags = { emailVerified: 'true', email_verified: 'true', verified: 'on', email: newAddress() }
    await owner.browser.post(pageOf(site), { csrf, action: 'language', locale: '', ...flags })
    const others = [newAddress(), newAddress()]
    for (const address of [
      '',
      'nobody',
      'a@b.test,c@d.test',
      'a@b.test\r\nBcc: c@d.test',
      '"a b"@c.test',
      'a@[127.0.0.1]',
    ]) {
      const page = await owner.browser.post(pageOf(site), { csrf, action: 'address', address })
      assertPage(page, 'account', 'address', 400)
    }
    // CVE-2023-7028: a field given twice is no list of recipients.
    const twice = await owner.browser.post(pageOf(site), {
      csrf,
      action: 'address',
      address: others,
    })
    assertPage(twice, 'error', 'bad-request', 400)
    const list = { 'address[]': `${others[0]}` }
    assertPage(await owner.browser.post(pageOf(site), { csrf, action: 'address', ...list }), 'account', 'address', 400)
    const tried = [flags.email, ...others]
    assert.deepEqual(
      site.smtp.messages.filter(({ to }) => to.some((one) => tried.includes(one) || /@[bcd]\.test/.test(one))),
      [],
    )
    const account = await accountOf(site, owner)
    assert.deepEqual([account.email, account.emailVerified], [owner.person.email, false])
  })

  it('needs a second factor of the last five minutes to begin, not to end', async () => {
    const owner = await atHome(site)
    const { page, code } = await waiting(site, owner, newAddress())
    site.gateway.clock.advance(9 * MINUTE)
    assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    site.gateway.clock.advance(-9 * MINUTE)
  })
})

onEachStore('codes for a new address', (testSite) => {
  describe('EM-3, EM-7', () => {
    const site = testSite({ mail: 'on' })

    it('die after ten minutes, and can be asked for again after one, three times: only the newest works', async () => {
      const owner = await atHome(site)
      const address = newAddress()
      const first = await waiting(site, owner, address)
      const early = assertPage(
        await owner.browser.submit(first.page, { action: 'resend' }),
        'confirm-address',
        'throttled',
      )
      assert.ok(Number(early.headers['retry-after']) <= 60)
      site.gateway.clock.advance(11 * MINUTE)
      assertPage(await owner.browser.submit(first.page, { code: first.code }), 'confirm-address', 'expired', 410)
      let { page, code } = first
      for (let time = 0; time < 3; time += 1) {
        const before = page
        const sent = await codeSent(site, address, () => owner.browser.submit(before, { action: 'resend' }))
        page = assertPage(sent.page, 'confirm-address', undefined, 200)
        const next = sent.code
        if (next !== code) assertPage(await owner.browser.submit(page, { code }), 'confirm-address', 'code', 401)
        code = next
        site.gateway.clock.advance(MINUTE)
      }
      const more = assertPage(
        await owner.browser.submit(page, { action: 'resend' }),
        'confirm-address',
        'throttled',
        429,
      )
      assert.ok(more.form)
      assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    })

    it('no mailbox gets more than five an hour, whoever asks', async () => {
      const address = newAddress()
      const owners = [await atHome(site), await atHome(site)]
      const asked: BrowserResponse[] = []
      for (const owner of owners) for (let time = 0; time < 4; time += 1) asked.push(await ask(owner, address))
      await site.smtp.waitFor(() => site.smtp.codesTo(address) === 5)
      assert.deepEqual(
        asked.slice(5).map(({ error }) => error),
        ['throttled', 'throttled', 'throttled'],
      )
    })
  })

  describe('EM-12, FB-9: a sign-in that proved the old mailbox', () => {
    const site = testSite({ mail: 'on', config: { mfa: { ...MAIL, methods: ['email', 'totp'] }, limits: LIMITS } })
    it('binds no app after the address has changed, and a session that nobody found to end is over', async (t) => {
      const [person, browser, thief] = [await site.person(), site.browser(), site.browser()]
      const picked = await thief.submit(await site.enter(thief, person), { method: 'totp' })
      const proved = assertPage(picked, 'verify-email')
      const bind = assertPage(await thief.submit(proved, { code: site.mailed(person) }), 'bind-totp')
      const login = await browser.get(pageOf(site))
      const asked = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(asked, 'verify-email')
      const page = assertPage(await browser.submit(asked, { code: site.mailed(person) }), 'account', undefined, 200)
      const { tokens } = await signInByMail(site, site.browser(), person)
      t.mock.method(site.gateway.sessions, 'endAll', async () => 0)
      const { page: confirm, code } = await waiting(site, { person, browser, page, secret: '' }, newAddress())
      assertPage(await browser.submit(confirm, { code }), 'account', undefined, 200)
      const secret = bind.text('[data-secret]')
      assertPage(await thief.submit(bind, { code: site.appCode(secret) }), 'login', 'expired')
      assertPage(await thief.get(bind.url), 'login')
      assert.deepEqual(await site.gateway.installation.bindings.list(person.id), [])
      await assert.rejects(site.party().refresh(`${tokens.refresh_token}`), { error: 'invalid_grant' })
      assertPage(await browser.get(pageOf(site)), 'account', undefined, 200)
    })
  })

  describe('TD-6: a remembered browser', () => {
    const site = testSite({ mail: 'on', config: { mfa: MAIL, limits: LIMITS } })
    it('is forgotten with the address, and the mailbox becomes the second factor', async () => {
      const { person, browser } = await remembered(site)
      const login = await browser.get(pageOf(site))
      const asked = await browser.submit(login, { username: person.username, password: person.password })
      const page = assertPage(await browser.submit(asked, { code: site.mailed(person) }), 'account', undefined, 200)
      assert.ok((await browser.cookies(site.gateway.issuer))[nameOf('device', person.id)])
      const address = newAddress()
      const { page: confirm, code } = await waiting(site, { person, browser, page, secret: '' }, address)
      assertPage(await browser.submit(confirm, { code }), 'account', undefined, 200)
      assert.deepEqual(await site.gateway.installation.devices.list(await accountOf(site, { person })), [])
      await browser.clear('stepgate-session')
      const next = assertPage(await site.enter(browser, person), 'verify-email', undefined, 200)
      await site.redeem(await browser.submit(next, { code: site.smtp.codeFor(address) }))
    })
  })

  describe('without a mail server', () => {
    const site = testSite()
    it('the section says who changes an address, and takes none', async () => {
      const { browser, page, person } = await atHome(site)
      assert.match(sectionOf(page, 'address'), /Your administrator can change it/)
      assert.ok(sectionOf(page, 'address').includes(`${person.email}`))
      const csrf = `${page.form?.hidden.csrf}`
      const answer = await browser.post(pageOf(site), { csrf, action: 'address', address: newAddress() })
      assertPage(answer, 'account', 'bad-request', 400)
    })
  })

  describe('FB-1', () => {
    const site = testSite({ mail: 'on' })
    it('are not sent to whoever proved the second factor long ago', async () => {
      // The engine goes by the real time: what is to be old now was done while the clock was behind.
      site.gateway.clock.advance(-6 * MINUTE)
      const owner = await atHome(site).finally(() => site.gateway.clock.advance(6 * MINUTE))
      const asked = assertPage(await ask(owner, newAddress()), 'verify-totp')
      assert.deepEqual(site.smtp.messages, [])
      const page = await owner.browser.submit(asked, { code: site.appCode(owner.secret) })
      assertPage(await ask({ ...owner, page }, newAddress()), 'confirm-address', undefined, 200)
    })
  })
})

/** Without what differs for everybody. */
function stripped(body: string, address: string): string {
  return body.replaceAll(address, '').replaceAll(/\d+ (minutes|seconds?)|data-wait="\d+"/g, '')
}
