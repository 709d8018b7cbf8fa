import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import {
  answerIn,
  askFor,
  type Browser,
  type BrowserResponse,
  type Member,
  newMember,
  onStores,
  type SignIn,
  seen,
  signInAt,
  type TestSite,
  walkOn,
} from '../flow/protocol-site.ts'

/**
 * What a second reading of the code found in what relying parties are told, and in how long a session means what it
 * proved: claims that scopes refuse, proofs of a kind that a rule does not accept, sign-outs in somebody else's name,
 * sessions that came back.
 */

const PWD = 'urn:stepgate:acr:pwd'
const MFA = 'urn:stepgate:acr:mfa'
const API = 'https://api.example.test'
const MINUTE = 60_000
const HOUR = 60 * MINUTE

/** Signed in with a mailed code. */
const byMail = (site: TestSite, browser: Browser, member: Member, parameters = {}): Promise<SignIn> =>
  signInAt(site, browser, member, { by: 'email', parameters })

const asks = (page: BrowserResponse): boolean => page.find('form[data-submits]') === undefined

onStores('embedded', 'a second reading of sessions', (testSite) => {
  const site = testSite({
    mail: 'on',
    parties: {
      app: {},
      narrow: { scope: 'openid', metadata: { scope: 'openid' } },
      third: { scope: 'openid', metadata: { firstParty: false } },
      erp: {},
    },
    config: {
      mfa: { enabled: true, methods: ['email', 'totp'] },
      policy: { rules: [{ name: 'erp', when: { clients: ['erp'] }, require: 'mfa', methods: ['totp'] }] },
      resources: [{ id: API, scopes: ['read', 'write'], clients: ['third'] }],
    },
  })

  const CLAIMS = JSON.stringify({ userinfo: { email: null, groups: null }, id_token: { email: null } })

  // The claims parameter names claims without their scopes. A client whose registration leaves `email` out got the
  // address all the same.
  test('the claims parameter gives nothing that the registration of a client leaves out (OA-18)', async () => {
    const member = await newMember(site)
    const parameters = { scope: 'openid', claims: CLAIMS }
    const narrow = await signInAt(site, site.browser(), member, { party: 'narrow', by: 'email', parameters })
    assert.ok(!narrow.pages.includes('consent'))
    const told = await narrow.userinfo()
    for (const claim of ['email', 'email_verified', 'groups']) {
      assert.equal(claim in told, false, `userinfo has ${claim}`)
      assert.equal(claim in narrow.claims, false, `the ID token has ${claim}`)
    }
    const app = await byMail(site, site.browser(), member, parameters)
    assert.equal(app.claims.email, member.email, 'a client with all scopes may ask so')
    assert.deepEqual((await app.userinfo()).groups, [])
  })

  // What a person agreed to on the consent page was shorter than what the client got: claims asked for by name were not
  // listed.
  test('consent lists the scope of a claim that is asked for by name, and gives nothing else', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const plain = await askFor(site, browser, member, { party: 'third', by: 'email' })
    assert.equal(plain.end.page, 'consent', seen(plain.end))
    assert.doesNotMatch(plain.end.text('.scopes'), /email address/)
    const parameters = { claims: JSON.stringify({ userinfo: { email: null } }) }
    const asked = await askFor(site, browser, member, { party: 'third', parameters })
    assert.equal(asked.end.page, 'consent', seen(asked.end))
    assert.match(asked.end.text('.scopes'), /email address/)
    assert.doesNotMatch(asked.end.text('.scopes'), /groups/)
    const allowed = await browser.submit(asked.end, { action: 'allow' })
    const { userinfo } = await site.party('third').callback(`${allowed.location}`)
    const told = await userinfo()
    assert.deepEqual([told.email, 'groups' in told, 'name' in told], [member.email, false, false])
  })

  // Consent to an API was shown, given and never written down: the page came again for ever, and people learn to press
  // "allow".
  test('consent to a resource is asked once, and names what it is for', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const request = { party: 'third', parameters: { scope: 'openid read', resource: API } }
    const { end } = await askFor(site, browser, member, { ...request, by: 'email' })
    assert.equal(end.page, 'consent', seen(end))
    assert.match(end.text('.scopes'), /“read”/)
    assert.doesNotMatch(end.text('.scopes'), /“write”/)
    const allowed = await browser.submit(end, { action: 'allow' })
    const { tokens } = await site.party('third').callback(`${allowed.location}`)
    const { aud, scope } = JSON.parse(Buffer.from(`${tokens.access_token.split('.')[1]}`, 'base64url').toString())
    assert.deepEqual([aud, scope], [API, 'read'])
    assert.deepEqual((await signInAt(site, browser, member, request)).pages, [])
    const more = { ...request, parameters: { scope: 'openid read write', resource: API } }
    assert.equal((await askFor(site, browser, member, more)).end.page, 'consent', 'what was not allowed is asked')
  })

  // An ID token is no secret: it stands in logs and in URLs. Somebody who sends a browser here with one of his own
  // ended its session unasked.
  test('an id_token_hint skips the question for the session it was issued in, and for no other (LO-1)', async () => {
    const [alice, mallory] = [await newMember(site), await newMember(site)]
    const browser = site.browser()
    const ended = await byMail(site, browser, alice)
    const leave = async (signIn: SignIn) =>
      browser.get(await site.party().logout({ id_token_hint: `${signIn.tokens.id_token}` }))
    await browser.submit(await leave(ended), { logout: 'yes' })
    const own = await byMail(site, browser, alice)
    const strangers = {
      'of somebody else': await byMail(site, site.browser(), mallory),
      'of an ended session': ended,
      'of another browser': await byMail(site, site.browser(), alice),
    }
    for (const [whose, signIn] of Object.entries(strangers)) {
      const page = await leave(signIn)
      assert.equal(page.page, 'logout', `${whose}: ${seen(page)}`)
      assert.ok(asks(page), whose)
      assert.doesNotMatch(page.body.replace(/<script[^>]*src[^>]*>/g, ''), /submit\(|onload|http-equiv="refresh"/)
    }
    const page = await leave(own)
    assert.equal(page.page, 'logout', seen(page))
    assert.ok(!asks(page))
    assert.deepEqual((await signInAt(site, browser, alice)).pages, [], 'asking ends nothing')
  })

  // Somebody's password is changed, because another one knows it, while a page of his session waits for a code. The
  // page led back to itself.
  test('a step-up whose session was ended meanwhile is over, and there is a way to start again', async () => {
    for (const method of ['GET', 'POST']) {
      const member = await newMember(site)
      const browser = site.browser()
      await byMail(site, browser, member)
      const page = await browser.get(await site.party('erp').authorize())
      assert.equal(page.page, 'verify-totp', seen(page))
      const { accounts, hasher } = site.gateway.installation
      const password = 'another password of hers'
      const audit = { event: 'password.changed', outcome: 'ok', account: member.id } as const
      await accounts.setPassword(member.id, await hasher.hash(password), audit)
      const over =
        method === 'GET' ? await browser.get(page.url) : await browser.submit(page, { code: member.nextCode() })
      assert.deepEqual([over.status, over.page, over.error], [410, 'error', 'expired'], seen(over))
      const link = over.find('main a[href]')?.attributes.href
      assert.ok(link !== undefined)
      const again = await browser.get(new URL(link, site.gateway.issuer))
      assert.equal(again.page, 'login', seen(again))
      const { end, pages } = await walkOn(site, browser, { ...member, password }, again)
      assert.deepEqual(pages, ['login', 'verify-totp'])
      assert.equal((await site.party('erp').callback(`${end.location}`)).claims.sub, member.id)
    }
  })

  // A request under way reads the session, the person signs out, the request saves what it had read: she was signed in
  // again, on a shared computer.
  test('a session that is saved once more after its sign-out is no sign-in (SE-8)', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    await byMail(site, browser, member)
    // Each with the cookie of before: the gateway gives whoever comes with a dead one another.
    const thief = () => old.copy()
    const old = await browser.copy()
    const database = new DatabaseSync(join(site.gateway.installation.config.stores.dataDir, 'state.db'))
    try {
      const saved = database.prepare("select key, value, expires from entries where key like '%ession%'").all()
      const records = saved.filter(({ key }) => !`${key}`.startsWith('session-proofs:'))
      assert.ok(records.some(({ key }) => `${key}`.startsWith('engine-Session:')))
      const silent = async (): Promise<string | undefined> =>
        answerIn(await (await thief()).get(await site.party().authorize({ prompt: 'none' }))).error
      assert.equal(await silent(), undefined)
      const page = await browser.get(await site.party().logout({ client_id: 'app' }))
      await browser.submit(page, { logout: 'yes' })
      assert.equal(await silent(), 'login_required')
      assert.equal((await (await thief()).get(await site.party().authorize())).page, 'login')

      // The engine's records of the session, as if saved a moment late; what was proved stays as the sign-out left it.
      const put = database.prepare('insert or replace into entries (key, value, expires) values (?, ?, ?)')
      for (const { key = '', value = '', expires = 0 } of records) put.run(key, value, expires)
      assert.equal(await silent(), 'login_required')
      const end = await (await thief()).get(await site.party().authorize())
      assert.equal(end.page, 'login', seen(end))
    } finally {
      database.close()
    }
  })
})

onStores('embedded', 'a second reading of the kind of proofs', (testSite) => {
  const site = testSite({
    mail: 'on',
    parties: { app: {}, erp: {}, mailed: {} },
    config: {
      mfa: { enabled: false, optOut: { understood: true, disableMfa: true }, methods: ['email', 'totp'] },
      policy: {
        rules: [
          { name: 'erp', when: { clients: ['erp'] }, require: '2sv', methods: ['totp'] },
          { name: 'mailed', when: { clients: ['mailed'] }, require: '2sv', methods: ['email'] },
        ],
      },
    },
  })

  // A rule says which kinds of factor it accepts. A code from a mailbox that was typed for another client let people
  // past a rule that wants the app.
  test('a mailed code lets nobody past a rule that wants the app, and goes on counting where it was accepted (B2)', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const app = await signInAt(site, browser, member, { by: 'email' })
    assert.ok(app.pages.includes('verify-email'), app.pages.join())
    assert.deepEqual((await signInAt(site, browser, member, { party: 'mailed' })).pages, [])
    const erp = await signInAt(site, browser, member, { party: 'erp' })
    assert.deepEqual(erp.pages, ['verify-totp'])
    // Nor does its token speak of what does not count there.
    assert.deepEqual([erp.claims.amr].flat().sort(), ['mfa', 'otp', 'pwd'])
    assert.deepEqual((await signInAt(site, browser, member, { party: 'mailed' })).pages, [])
    assert.deepEqual((await signInAt(site, browser, member)).pages, [])
  })
})

onStores('embedded', 'a second reading of the age of proofs', (testSite) => {
  const site = testSite({
    mail: 'on',
    parties: { app: { clockTolerance: 5 }, aged: { clockTolerance: 5 }, quick: {} },
    config: {
      mfa: { enabled: true, methods: ['email', 'totp'] },
      policy: { rules: [{ name: 'quick', when: { clients: ['quick'] }, secondFactor: 'off', maxAge: '5m' }] },
    },
  })

  /** The gateway's clock stands so many minutes behind the engine's. */
  const behind = (minutes: number): void => {
    const { clock } = site.gateway
    clock.advance(Date.now() - minutes * MINUTE - clock.now())
  }

  // The engine remembers one time per session, that of the last request. A request for a low level, or of a client that
  // wants a fresh password alone, made that time newer than the proofs that the next client counts on.
  test('max_age is judged by the oldest proof that counts, whatever an earlier request was told (OA-10)', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    behind(20)
    const first = await signInAt(site, browser, member, { by: 'totp' })
    behind(0)
    const low = await signInAt(site, browser, member, { parameters: { acr_values: PWD } })
    assert.deepEqual([low.pages, low.claims.acr], [[], PWD])
    const stale = await askFor(site, await browser.copy(), member, {
      party: 'aged',
      parameters: { max_age: '60', prompt: 'none' },
    })
    assert.equal(answerIn(stale.end).error, 'login_required')
    const quick = await signInAt(site, browser, member, { party: 'quick' })
    assert.deepEqual([quick.pages, quick.claims.acr], [['login'], PWD])
    const wide = await signInAt(site, browser, member, { party: 'aged', parameters: { max_age: '3600' } })
    assert.deepEqual([wide.pages, wide.claims.auth_time], [[], first.claims.auth_time])
    await signInAt(site, browser, member, { party: 'quick' })
    const narrow = await signInAt(site, browser, member, { party: 'aged', by: 'totp', parameters: { max_age: '600' } })
    assert.deepEqual(narrow.pages, ['login', 'verify-totp'])
    assert.ok(Number(narrow.claims.auth_time) - Number(first.claims.auth_time) > 600)
  })

  // What was proved is asked again at each refresh. A step-up of the same session shortened how long it is kept, and a
  // token good for a month died overnight.
  test('a refresh token with offline_access outlives a later step-up without it (OA-12)', async () => {
    behind(0)
    const member = await newMember(site)
    const browser = site.browser()
    const parameters = { scope: 'openid email offline_access', prompt: 'consent' }
    const { end } = await askFor(site, browser, member, { by: 'email', parameters })
    assert.equal(end.page, 'consent', seen(end))
    const allowed = await browser.submit(end, { action: 'allow' })
    const { tokens } = await site.party().callback(`${allowed.location}`)
    const stepped = await signInAt(site, browser, member, { by: 'totp', parameters: { acr_values: MFA } })
    assert.deepEqual([stepped.pages, stepped.claims.acr], [['verify-totp'], MFA])
    // Past the session's absolute limit. The last test: pages of the engine, whose time is the real one, would be over
    // now.
    site.gateway.clock.advance(13 * HOUR)
    const again = await site.party().refresh(`${tokens.refresh_token}`)
    assert.equal(again.claims.sub, member.id)
  })
})
