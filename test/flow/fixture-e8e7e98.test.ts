import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { stringify } from 'yaml'
import { createCommandLine } from '../cli/command-line.ts'
import { textOf } from '../harness/html.ts'
import type { OpenedFixture } from '../harness/state-fixture.ts'
import { ask, claimsOf, enter, onFixture, redeemed, toRecovery } from './fixture-site.ts'
import { assertPage, otherCode } from './person-site.ts'

const NEW_PASSWORD = 'tovika-lumebo-redafi-42'

/**
 * An update must not ask anybody again and must not lose anything. This is an installation as the commit e8e7e98 left
 * it: whatever reads or writes what is kept is changed with this test as it stands. Tests whose subject lives for a
 * minute come first.
 */
onFixture('e8e7e98', 'an installation of the past', (site) => {
  const pageOf = (name: string): string => site().facts.pages[name] ?? assert.fail(`no page ${name}`)
  const codeOf = (name: string): string => site().facts.codes[name] ?? assert.fail(`no code ${name}`)
  const tokenOf = (name: string): string => site().facts.tokens[name] ?? assert.fail(`no token ${name}`)

  it('a throttled account stays throttled, also for the right password', async () => {
    const here = site()
    // The browser of the guesses had no cookies; its address is what counts.
    const guesser = here.party.browser(`${here.facts.addresses.thief}`)
    const refused = assertPage(await enter(here, guesser, 'sten'), 'login', 'throttled', 429)
    assert.ok(Number(refused.headers['retry-after']) > 30, refused.headers['retry-after'])
    const sprayer = here.party.browser(`${here.facts.addresses.sprayer}`)
    assertPage(await enter(here, sprayer, 'folke'), 'login', 'throttled', 429)
  })

  it('what was begun a moment ago is finished: a code, a pushed request, a key and recovery codes on a page', async () => {
    const here = site()
    await here.party.redeem(here.client('app'), pageOf('codeForApp'))
    const alva = here.browser('alva')
    assert.match(`${(await alva.get(pageOf('pushed'))).location}`, /[?&]code=/)
    assertPage(await alva.get(pageOf('pushedUsed')), 'error', 'protocol', 400)
    const rita = here.browser('rita')
    assert.ok((await rita.get(pageOf('qr'))).find('img[alt^=QR]'))
    const codes = (await rita.get(pageOf('recoveryCodes'))).findAll('[data-code]').map(textOf)
    assert.equal(codes.length, 10)
    assert.ok(codes.includes(codeOf('recovery')))
  })

  it('a client assertion that was used stays used, and the secret of a client is still its own', async () => {
    const here = site()
    const type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
    const proof = { client_assertion_type: type, client_assertion: tokenOf('assertion') }
    const fields = { ...Object.fromEntries(here.party.authorization(here.client('keyed')).searchParams), ...proof }
    const replayed = await here.party.post('/request', here.client('keyed'), fields)
    assert.deepEqual([replayed.status, replayed.body.error], [401, 'invalid_client'])
    const machine = here.client('machine')
    const seen = await here.party.post('/token/introspection', machine, { token: tokenOf('machineAccess') })
    assert.deepEqual([seen.body.active, seen.body.scope], [true, 'read'])
  })

  it('a sign-in under way is finished with the code of the app, or with the one that was mailed', async () => {
    const here = site()
    const uno = here.browser('uno-under-way')
    const byApp = assertPage(await uno.get(pageOf('uno')), 'verify-totp', undefined, 200)
    const { acr } = await claimsOf(here, await uno.submit(byApp, { code: here.appCode('uno') }))
    assert.equal(acr, 'urn:stepgate:acr:mfa')
    const mejl = here.browser('mejl-under-way')
    const sent = here.smtp.messages.length
    const byMail = assertPage(await mejl.get(pageOf('mejl')), 'verify-email', undefined, 200)
    const end = await claimsOf(here, await mejl.submit(byMail, { code: codeOf('mejl') }))
    assert.equal(end.acr, 'urn:stepgate:acr:2sv')
    const codes = here.smtp.messages.slice(sent).filter(({ text }) => /^\d{6}$/m.test(text))
    assert.deepEqual(codes, [], 'nobody needed another code')
  })

  it('a signed-in browser gets a code without a page, with the level, methods, time and session of then', async () => {
    const here = site()
    const claims = await claimsOf(here, await ask(here, here.browser('alva')))
    for (const name of ['sub', 'acr', 'amr', 'auth_time', 'sid']) {
      assert.deepEqual(claims[name], here.facts.claims.alva?.[name], name)
    }
    const none = { parameters: { prompt: 'none' }, client: 'third' }
    assert.match(
      `${(await ask(here, here.browser('alva'), none)).location}`,
      /[?&]code=/,
      'what was allowed stays allowed',
    )
    assertPage(await here.browser('rita').get(`${here.gateway.issuer}/account`), 'account', undefined, 200)
  })

  it('a remembered browser signs in with the password alone', async () => {
    const here = site()
    const claims = await claimsOf(here, await enter(here, here.browser('rune'), 'rune'))
    assert.deepEqual([claims.acr, claims.amr], ['urn:stepgate:acr:pwd', ['pwd']])
    assertPage(await enter(here, here.stranger(), 'rune'), 'verify-email', undefined, 200)
  })

  it('apps, mailboxes and recovery codes still prove; what was used is used', async () => {
    const here = site()
    const ada = here.stranger()
    const asked = assertPage(await enter(here, ada, 'ada'), 'verify-totp', undefined, 200)
    const replayed = assertPage(await ada.submit(asked, { code: here.usedAppCode('ada') }), 'verify-totp', 'code', 401)
    await redeemed(here, await ada.submit(replayed, { code: here.appCode('ada') }))
    const elsa = here.stranger()
    const { email } = here.facts.people.elsa ?? assert.fail()
    const mailed = assertPage(await enter(here, elsa, 'elsa'), 'verify-email', undefined, 200)
    await redeemed(here, await elsa.submit(mailed, { code: here.smtp.codeFor(email) }))
    const rita = here.stranger()
    const typed = await toRecovery(rita, await enter(here, rita, 'rita'))
    const used = assertPage(await rita.submit(typed, { code: codeOf('usedRecovery') }), 'verify-recovery', 'code', 401)
    const { amr } = await claimsOf(here, await rita.submit(used, { code: codeOf('recovery') }))
    assert.deepEqual(amr, ['pwd', 'otp', 'mfa'])
  })

  it('a bypass code opens the way to a new app', async () => {
    const here = site()
    const berit = here.stranger()
    const typed = await toRecovery(berit, await enter(here, berit, 'berit'))
    assertPage(await berit.submit(typed, { code: codeOf('bypass') }), 'bind-totp', undefined, 200)
  })

  it('who has put binding off is still within the days of grace', async () => {
    const here = site()
    const gunnar = here.stranger()
    const later = assertPage(await enter(here, gunnar, 'gunnar'), 'bind-later', undefined, 200)
    await redeemed(here, await gunnar.submit(later, { action: 'later' }))
    assert.match(`${(await ask(here, here.browser('gunnar'))).location}`, /[?&]code=/)
  })

  it('who is disabled stays out, and so does a session that was ended', async () => {
    const here = site()
    assertPage(await enter(here, here.stranger(), 'disa'), 'login', 'credentials', 401)
    assertPage(await ask(here, here.browser('elsa')), 'login', undefined, 200)
  })

  it('tokens are worth what they were', async () => {
    const here = site()
    const { party } = here
    const bearer = { authorization: `Bearer ${tokenOf('appAccess')}` }
    const userinfo = await party.get('/me', bearer)
    assert.deepEqual([userinfo.status, userinfo.body.email], [200, 'alva@example.test'])
    const app = here.client('app')
    const seen = await party.post('/token/introspection', app, { token: tokenOf('appAccess') })
    assert.deepEqual([seen.body.active, seen.body.acr], [true, 'urn:stepgate:acr:mfa'])
    for (const [client, token] of [
      ['app', 'appRefresh'],
      ['app', 'appOffline'],
      ['spa', 'spaRefresh'],
    ] as const) {
      const fresh = await party.refresh(here.client(client), tokenOf(token))
      assert.equal(fresh.status, 200, `${token}: ${JSON.stringify(fresh.body)}`)
      const claims = await party.claims(here.client(client), `${fresh.body.id_token}`)
      assert.equal(claims.sub, here.facts.claims.alva?.sub)
    }
  })

  it('what was used once is refused, and takes what it gave with it', async () => {
    const here = site()
    const refreshed = await here.party.refresh(here.client('spa'), tokenOf('spaUsedRefresh'))
    assert.equal(refreshed.body.error, 'invalid_grant')
    assert.equal((await here.party.refresh(here.client('spa'), tokenOf('spaRefresh'))).body.error, 'invalid_grant')
    await assert.rejects(here.party.redeem(here.client('app'), pageOf('usedCodeForApp')), /invalid_grant/)
  })

  it('links that were sent or handed out set a password, once', async () => {
    const here = site()
    for (const [page, name] of [
      ['reset', 'folke'],
      ['activation', 'nya'],
    ] as const) {
      const browser = here.stranger()
      const form = await browser.get(pageOf(page))
      assert.equal(form.page, page === 'reset' ? 'reset' : 'activate', form.text())
      const passwords = { password: NEW_PASSWORD, passwordAgain: NEW_PASSWORD }
      assertPage(await browser.submit(form, passwords), 'password-set', undefined, 200)
      assert.equal((await browser.get(pageOf(page))).status, 410)
      const person = here.facts.people[name] ?? assert.fail(name)
      person.password = NEW_PASSWORD
      assert.match(`${(await enter(here, browser, name)).page}`, /^(?:verify|bind)-|^choose$/)
    }
  })

  it('a new address is confirmed by the code that was mailed there', async () => {
    const here = site()
    const mona = here.browser('mona')
    const form = assertPage(await mona.get(pageOf('address')), 'confirm-address', undefined, 200)
    const wrong = assertPage(
      await mona.submit(form, { code: otherCode(codeOf('address')) }),
      'confirm-address',
      'code',
      401,
    )
    const done = assertPage(await mona.submit(wrong, { code: codeOf('address') }), 'account', undefined, 200)
    assert.match(done.text(), /Your new address is confirmed/)
  })

  it('letters that waited are sent', async () => {
    const here = site()
    const { to } = here.facts.waiting
    const letter = await here.smtp.waitFor((mail) => mail.to.includes(to) && !/^\d{6}$/m.test(mail.text))
    assert.ok(letter.subject.length > 0)
    await waitingLetters(here, 0)
  })

  it('the signing keys are the same, and an ID token of then signs out', async () => {
    const here = site()
    const { body } = await here.party.get('/jwks')
    assert.deepEqual((body.keys as { kid: string }[]).map(({ kid }) => kid).sort(), here.facts.keys)
    const alva = here.browser('alva')
    const hint = new URL(`${here.gateway.issuer}/session/end`)
    const back = 'https://app.example.test/'
    hint.search = new URLSearchParams({
      id_token_hint: tokenOf('appIdToken'),
      post_logout_redirect_uri: back,
    }).toString()
    const page = assertPage(await alva.get(hint), 'logout', undefined, 200)
    const end = await alva.submit(page, { logout: 'yes' })
    assert.equal(end.location, back)
    assertPage(await ask(here, alva), 'login', undefined, 200)
  })

  it('no event of the audit log is gone', async () => {
    const here = site()
    const written: Record<string, number> = {}
    for (const event of await auditEvents(here)) written[event] = (written[event] ?? 0) + 1
    const fewer = Object.entries(here.facts.audit).filter(([event, count]) => (written[event] ?? 0) < count)
    assert.deepEqual(fewer, [])
  })

  it('set-up is done, and nobody can do it again', async () => {
    const here = site()
    assert.throws(() => here.gateway.setupToken, /set-up does not wait/)
    const setup = `${here.gateway.issuer}/setup`
    assertPage(await here.stranger().get(setup), 'login', undefined, 200)
    assert.ok((await here.browser('ada').get(setup)).find('select[name=preset]'), 'its last page is still there')
  })
})

/** Waits until so many letters wait. */
async function waitingLetters({ gateway }: OpenedFixture, count: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const waiting = await gateway.installation.outbox.waiting()
    if (waiting.count === count) return
    await pause(50)
  }
  assert.fail(`not ${count} letters wait`)
}

/** As the command prints them. */
async function auditEvents({ config }: OpenedFixture): Promise<string[]> {
  const { secretKey, ...rest } = config
  const terminal = createCommandLine(stringify({ ...rest, ...(secretKey !== undefined && { secretKey }) }))
  try {
    const { stdout, stderr } = await terminal.run(['--json', 'audit'])
    assert.equal(stderr, '')
    return stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: string }).event)
  } finally {
    terminal.remove()
  }
}
