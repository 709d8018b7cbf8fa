import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import { randomToken } from '../../src/kernel/secrets.ts'
import { atHome, codeSent, formOf, type Owner, pageOf, press, sectionOf } from './account-site.ts'
import { LIMITS, MAIL, remembered } from './device-site.ts'
import { nameOf } from './person-login.ts'
import { appCode, assertPage, type BrowserResponse, onEachStore, otherCode, type Site } from './person-site.ts'

const newAddress = (): string => `new-${randomToken(6).toLowerCase()}@example.test`

const ask = ({ browser, page }: Pick<Owner, 'browser' | 'page'>, address: string): Promise<BrowserResponse> =>
  press(browser, page, { action: 'address', fields: { address } })

const accountOf = async (here: Site, { person }: Pick<Owner, 'person'>) =>
  (await here.gateway.site.accounts.find(person.id)) ?? assert.fail()

async function changesOf(here: Site, { person }: Pick<Owner, 'person'>): Promise<string[]> {
  await here.gateway.site.trail.flush()
  const events = await here.gateway.site.audit.list({ account: person.id })
  return events.filter(({ event }) => event === 'email.change.done').map(({ outcome }) => outcome)
}

/** The page that asks for the code. */
async function waiting(here: Site, owner: Owner, address: string): Promise<{ page: BrowserResponse; code: string }> {
  const { page, code } = await codeSent(here, address, () => ask(owner, address))
  return { page: assertPage(page, 'confirm-address', undefined, 200), code }
}

onEachStore('a new address on the account page (EM-12)', (site) => {
  const here = site({ mail: 'on', latency: 3 })

  it('counts once its code has come back; the old and the new one are told, every other session ends', async () => {
    const owner = await atHome(here)
    const old = `${owner.person.email}`
    here.gateway.clock.advance(MINUTE)
    const other = await atHome(here, owner)
    const { tokens } = await here.redeem(await here.open(other.browser))
    const address = newAddress()
    const { page, code } = await waiting(here, owner, address)
    assert.ok(!page.body.includes(code))
    assert.equal((await accountOf(here, owner)).email, old, 'nothing has changed yet')
    const done = assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    assert.match(done.text(), /Your new address is confirmed/)
    const account = await accountOf(here, owner)
    assert.deepEqual([account.email, account.emailVerified], [address, true])
    assertPage(await owner.browser.get(pageOf(here)), 'account')
    assertPage(await other.browser.get(pageOf(here)), 'login')
    await assert.rejects(here.rp.refresh(`${tokens.refresh_token}`), { error: 'invalid_grant' })
    for (const told of [old, address]) {
      const letter = await here.smtp.waitFor((mail) => mail.to.includes(told) && !/^\d{6}$/m.test(mail.text))
      assert.match(letter.text, /n•••@e•••\.test/)
      assert.ok(told === address || !letter.raw.includes(address), 'who reads the old mailbox learns no new address')
    }
    assert.equal(await here.gateway.site.accounts.findByLogin(old), undefined)
    assert.deepEqual(await changesOf(here, owner), ['ok'])
  })

  it('EN-4: one that somebody else signs in with is answered like any other, gets no mail, and no code fits', async () => {
    const other = await here.person()
    const named = await here.person({ username: newAddress(), email: null })
    for (const taken of [`${other.email}`, `${other.email}`.toUpperCase(), named.username]) {
      const owner = await atHome(here)
      const page = assertPage(await ask(owner, taken), 'confirm-address', undefined, 200)
      const wrong = assertPage(await owner.browser.submit(page, { code: '123456' }), 'confirm-address', 'code', 401)
      assert.deepEqual(
        here.smtp.messages.filter(({ to }) => to.includes(taken)),
        [],
      )
      const free = newAddress()
      const { page: usual, code } = await waiting(here, owner, free)
      const typed = { code: otherCode(code) }
      const usualWrong = assertPage(await owner.browser.submit(usual, typed), 'confirm-address', 'code', 401)
      assert.equal(stripped(page.body, taken), stripped(usual.body, free))
      assert.equal(stripped(wrong.body, taken), stripped(usualWrong.body, free))
      assert.equal((await accountOf(here, owner)).email, owner.person.email)
    }
    assert.equal((await here.gateway.site.accounts.find(other.id))?.emailVerified, false)
  })

  it('EN-4: what the mail server has against a recipient, and how long it takes, are not in the answer', async (t) => {
    const owner = await atHome(here)
    const other = await here.person()
    const { mailer } = here.gateway.site
    const { promise: slow, resolve: goOn } = Promise.withResolvers<void>()
    const send = t.mock.method(mailer ?? assert.fail(), 'send', () => slow)
    try {
      for (const address of [newAddress(), `${other.email}`]) assertPage(await ask(owner, address), 'confirm-address')
      assert.equal(send.mock.callCount(), 1)
    } finally {
      goOn()
      send.mock.restore()
    }
    here.smtp.setRefuse('rcpt')
    try {
      const [refused, taken] = [newAddress(), `${other.email}`]
      // The limit of an hour for one account, two of which are gone: a letter that was refused has counted too.
      for (const address of [refused, taken, refused]) assertPage(await ask(owner, address), 'confirm-address')
      assertPage(await ask(owner, refused), 'account', 'throttled', 429)
    } finally {
      here.smtp.setRefuse(undefined)
    }
  })

  it('a mail server that is down: `mail`, for a taken address too, and the code from before still works', async () => {
    const owner = await atHome(here)
    const other = await here.person()
    const address = newAddress()
    const { page, code } = await waiting(here, owner, address)
    await here.smtp.stop()
    try {
      for (const wanted of [newAddress(), `${other.email}`]) {
        const refused = assertPage(await ask(owner, wanted), 'account', 'mail', 503)
        assert.ok(Number(refused.headers['retry-after']) > 0)
      }
    } finally {
      await here.smtp.start()
    }
    assert.equal((await accountOf(here, owner)).email, owner.person.email)
    assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    assert.equal((await accountOf(here, owner)).email, address)
  })

  it('RL-4: any number of guesses at once, five are judged, and then the right one is late', async () => {
    const owner = await atHome(here)
    const { page, code } = await waiting(here, owner, newAddress())
    const guesses = Array.from({ length: 12 }, () => owner.browser.submit(page, { code: otherCode(code) }))
    const answers = (await Promise.all(guesses)).map(({ error }) => `${error}`)
    assert.equal(answers.filter((error) => error === 'code').length, 5)
    assert.deepEqual([...new Set(answers)].sort(), ['code', 'expired'])
    const late = assertPage(await owner.browser.submit(page, { code }), 'confirm-address', 'expired', 410)
    assert.deepEqual(late.form?.fields, [], 'there is nothing to type a code into')
    assert.equal((await accountOf(here, owner)).email, owner.person.email)
  })

  it('EM-6: the right code, ten times at once, changes the address once', async () => {
    const owner = await atHome(here)
    const { page, code } = await waiting(here, owner, newAddress())
    const answers = await Promise.all(Array.from({ length: 10 }, () => owner.browser.submit(page, { code })))
    // The fifth answer and the later ones were too late to be judged; nobody is told that anything was wrong with the code.
    assert.ok(answers.every(({ error }) => error !== 'code'))
    assert.deepEqual(
      (await changesOf(here, owner)).filter((outcome) => outcome === 'ok'),
      ['ok'],
    )
  })

  it('EM-5: the code fits the session and the browser that asked, and no others', async () => {
    const owner = await atHome(here)
    here.gateway.clock.advance(MINUTE)
    const other = await atHome(here, owner)
    const [mine, theirs] = [newAddress(), newAddress()]
    const { page, code } = await waiting(here, owner, mine)
    const second = await waiting(here, other, theirs)
    assertPage(await other.browser.submit(second.page, { code }), 'confirm-address', 'code', 401)
    const stranger = await atHome(here)
    const csrf = formOf(stranger.page, 'address').hidden.csrf
    assertPage(await stranger.browser.post(`${pageOf(here)}/confirm-address`, { csrf, code }), 'account', undefined)
    const thief = await owner.browser.copy()
    await thief.clear('stepgate-browser')
    assertPage(await thief.submit(page, { code }), 'error', 'csrf', 403)
    const shown = await thief.get(pageOf(here))
    const own = formOf(shown, 'address').hidden.csrf
    assertPage(await thief.post(`${pageOf(here)}/confirm-address`, { csrf: own, code }), 'account')
    assert.equal((await accountOf(here, owner)).email, owner.person.email)
    assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    assert.equal((await accountOf(here, owner)).email, mine)
    // The other session has ended, and its code with it.
    assertPage(await other.browser.submit(second.page, { code: second.code }), 'login')
    assert.equal((await accountOf(here, owner)).email, mine)
  })

  it('what changes password or factors in between ends the code', async () => {
    const owner = await atHome(here)
    const { page, code } = await waiting(here, owner, newAddress())
    await here.bindApp(owner.person)
    assertPage(await owner.browser.submit(page, { code }), 'account')
    assert.equal((await accountOf(here, owner)).email, owner.person.email)
  })

  it('two accounts that wait for the same address: one gets it', async () => {
    const [owner, other] = [await atHome(here), await atHome(here)]
    const address = newAddress()
    const first = await waiting(here, owner, address)
    const second = await waiting(here, other, address)
    const answers = await Promise.all([
      owner.browser.submit(first.page, { code: first.code }),
      other.browser.submit(second.page, { code: second.code }),
    ])
    const emails = [(await accountOf(here, owner)).email, (await accountOf(here, other)).email]
    assert.equal(emails.filter((email) => email === address).length, 1)
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 410])
  })

  it('no form can mark an address as verified (CVE-2026-27946), and none but one plain address gets a code', async () => {
    const owner = await atHome(here)
    const csrf = `${formOf(owner.page, 'address').hidden.csrf}`
    const flags = { emailVerified: 'true', email_verified: 'true', verified: 'on', email: newAddress() }
    await owner.browser.post(pageOf(here), { csrf, action: 'language', locale: '', ...flags })
    const others = [newAddress(), newAddress()]
    for (const address of [
      '',
      'nobody',
      'a@b.test,c@d.test',
      'a@b.test\r\nBcc: c@d.test',
      '"a b"@c.test',
      'a@[127.0.0.1]',
    ]) {
      const page = await owner.browser.post(pageOf(here), { csrf, action: 'address', address })
      assertPage(page, 'account', 'address', 400)
    }
    // CVE-2023-7028: a field given twice is no list of recipients.
    const twice = await owner.browser.post(pageOf(here), {
      csrf,
      action: 'address',
      address: others,
    })
    assertPage(twice, 'error', 'bad-request', 400)
    const list = { 'address[]': `${others[0]}` }
    assertPage(await owner.browser.post(pageOf(here), { csrf, action: 'address', ...list }), 'account', 'address', 400)
    const tried = [flags.email, ...others]
    assert.deepEqual(
      here.smtp.messages.filter(({ to }) => to.some((one) => tried.includes(one) || /@[bcd]\.test/.test(one))),
      [],
    )
    const account = await accountOf(here, owner)
    assert.deepEqual([account.email, account.emailVerified], [owner.person.email, false])
  })

  it('needs a second factor of the last five minutes to begin, not to end', async () => {
    const owner = await atHome(here)
    const { page, code } = await waiting(here, owner, newAddress())
    here.gateway.clock.advance(9 * MINUTE)
    assertPage(await owner.browser.submit(page, { code }), 'account', undefined, 200)
    here.gateway.clock.advance(-9 * MINUTE)
  })
})

onEachStore('codes for a new address', (site) => {
  describe('EM-3, EM-7', () => {
    const here = site({ mail: 'on' })

    it('die after ten minutes, and can be asked for again after one, three times: only the newest works', async () => {
      const owner = await atHome(here)
      const address = newAddress()
      const first = await waiting(here, owner, address)
      const early = assertPage(
        await owner.browser.submit(first.page, { action: 'resend' }),
        'confirm-address',
        'throttled',
      )
      assert.ok(Number(early.headers['retry-after']) <= 60)
      here.gateway.clock.advance(11 * MINUTE)
      assertPage(await owner.browser.submit(first.page, { code: first.code }), 'confirm-address', 'expired', 410)
      let { page, code } = first
      for (let time = 0; time < 3; time += 1) {
        const before = page
        const sent = await codeSent(here, address, () => owner.browser.submit(before, { action: 'resend' }))
        page = assertPage(sent.page, 'confirm-address', undefined, 200)
        const next = sent.code
        if (next !== code) assertPage(await owner.browser.submit(page, { code }), 'confirm-address', 'code', 401)
        code = next
        here.gateway.clock.advance(MINUTE)
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
      const owners = [await atHome(here), await atHome(here)]
      const asked: BrowserResponse[] = []
      for (const owner of owners) for (let time = 0; time < 4; time += 1) asked.push(await ask(owner, address))
      await here.smtp.waitFor(() => here.smtp.codesTo(address) === 5)
      assert.deepEqual(
        asked.slice(5).map(({ error }) => error),
        ['throttled', 'throttled', 'throttled'],
      )
    })
  })

  describe('EM-12, FB-9: a sign-in that proved the old mailbox', () => {
    const here = site({ mail: 'on', config: { mfa: { ...MAIL, methods: ['email', 'totp'] }, limits: LIMITS } })
    it('binds no app after the address has changed, and a session that nobody found to end is over', async (t) => {
      const [person, browser, thief] = [await here.person(), here.browser(), here.browser()]
      const picked = await thief.submit(await here.enter(thief, person), { method: 'totp' })
      const proved = assertPage(picked, 'verify-email')
      const bind = assertPage(await thief.submit(proved, { code: here.mailed(person) }), 'bind-totp')
      const login = await browser.get(pageOf(here))
      const asked = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(asked, 'verify-email')
      const page = assertPage(await browser.submit(asked, { code: here.mailed(person) }), 'account', undefined, 200)
      const { tokens } = await here.signInByMail(here.browser(), person)
      t.mock.method(here.gateway.sessions, 'endAll', async () => 0)
      const { page: confirm, code } = await waiting(here, { person, browser, page, secret: '' }, newAddress())
      assertPage(await browser.submit(confirm, { code }), 'account', undefined, 200)
      const secret = bind.text('[data-secret]')
      assertPage(await thief.submit(bind, { code: appCode(here, secret) }), 'login', 'expired')
      assertPage(await thief.get(bind.url), 'login')
      assert.deepEqual(await here.gateway.site.bindings.list(person.id), [])
      await assert.rejects(here.rp.refresh(`${tokens.refresh_token}`), { error: 'invalid_grant' })
      assertPage(await browser.get(pageOf(here)), 'account', undefined, 200)
    })
  })

  describe('TD-6: a remembered browser', () => {
    const here = site({ mail: 'on', config: { mfa: MAIL, limits: LIMITS } })
    it('is forgotten with the address, and the mailbox becomes the second factor', async () => {
      const { person, browser } = await remembered(here)
      const login = await browser.get(pageOf(here))
      const asked = await browser.submit(login, { username: person.username, password: person.password })
      const page = assertPage(await browser.submit(asked, { code: here.mailed(person) }), 'account', undefined, 200)
      assert.ok((await browser.cookies(here.gateway.issuer))[nameOf('device', person.id)])
      const address = newAddress()
      const { page: confirm, code } = await waiting(here, { person, browser, page, secret: '' }, address)
      assertPage(await browser.submit(confirm, { code }), 'account', undefined, 200)
      assert.deepEqual(await here.gateway.site.devices.list(await accountOf(here, { person })), [])
      await browser.clear('stepgate-session')
      const next = assertPage(await here.enter(browser, person), 'verify-email', undefined, 200)
      await here.redeem(await browser.submit(next, { code: here.smtp.codeFor(address) }))
    })
  })

  describe('without a mail server', () => {
    const here = site()
    it('the section says who changes an address, and takes none', async () => {
      const { browser, page, person } = await atHome(here)
      assert.match(sectionOf(page, 'address'), /Your administrator can change it/)
      assert.ok(sectionOf(page, 'address').includes(`${person.email}`))
      const csrf = `${page.form?.hidden.csrf}`
      const answer = await browser.post(pageOf(here), { csrf, action: 'address', address: newAddress() })
      assertPage(answer, 'account', 'bad-request', 400)
    })
  })

  describe('FB-1', () => {
    const here = site({ mail: 'on' })
    it('are not sent to whoever proved the second factor long ago', async () => {
      // The engine goes by the real time: what is to be old now was done while the clock was behind.
      here.gateway.clock.advance(-6 * MINUTE)
      const owner = await atHome(here).finally(() => here.gateway.clock.advance(6 * MINUTE))
      const asked = assertPage(await ask(owner, newAddress()), 'verify-totp')
      assert.deepEqual(here.smtp.messages, [])
      const page = await owner.browser.submit(asked, { code: appCode(here, owner.secret) })
      assertPage(await ask({ ...owner, page }, newAddress()), 'confirm-address', undefined, 200)
    })
  })
})

/** Without what differs for everybody. */
function stripped(body: string, address: string): string {
  return body.replaceAll(address, '').replaceAll(/\d+ (minutes|seconds?)|data-wait="\d+"/g, '')
}
