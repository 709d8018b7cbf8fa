import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  answerIn,
  askFor,
  type Browser,
  type Member,
  newMember,
  onBothStores,
  protocolError,
  seen,
  signInAt,
  userinfoStatus,
} from './protocol-site.ts'

const PWD = 'urn:stepgate:acr:pwd'
const MFA = 'urn:stepgate:acr:mfa'
const OFFLINE = { scope: 'openid email offline_access', prompt: 'consent' }

onBothStores('refresh tokens', (testSite) => {
  const site = testSite({
    mail: 'on',
    parties: {
      app: {},
      spa: { clientSecret: 'none' },
      other: {},
      plain: { metadata: { grant_types: ['authorization_code'] } },
    },
    config: { mfa: { enabled: true, methods: ['email', 'totp'] } },
  })

  /** With `offline_access` and the consent that it needs. */
  async function offline(browser: Browser, member: Member, party: string) {
    const { end } = await askFor(site, browser, member, { party, by: 'totp', parameters: OFFLINE })
    assert.equal(end.page, 'consent', seen(end))
    const allowed = await browser.submit(end, { action: 'allow' })
    return site.party(party).callback(`${allowed.location}`)
  }

  async function signOut(browser: Browser): Promise<void> {
    const page = await browser.get(await site.party().logout({ client_id: 'app' }))
    await browser.submit(page, { logout: 'yes' })
  }

  const refused = (party: string, token: string | undefined) =>
    assert.rejects(site.party(party).refresh(`${token}`), protocolError('invalid_grant'))

  test('a client without the grant gets none', async () => {
    const { tokens } = await signInAt(site, site.browser(), await newMember(site), { party: 'plain', by: 'totp' })
    assert.equal(tokens.refresh_token, undefined)
  })

  test('a refreshed token says what was proved at the sign-in, also after a step-up (OA-11)', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const first = await signInAt(site, browser, member, { by: 'email' })
    const again = await site.party().refresh(`${first.tokens.refresh_token}`)
    for (const name of ['sub', 'acr', 'amr', 'auth_time', 'sid'] as const) {
      assert.deepEqual(again.claims[name], first.claims[name], name)
    }
    const stepped = await signInAt(site, browser, member, { by: 'totp', parameters: { acr_values: MFA } })
    assert.equal(stepped.claims.acr, MFA)
    const later = await site.party().refresh(`${again.tokens.refresh_token ?? first.tokens.refresh_token}`)
    assert.deepEqual([later.claims.acr, later.claims.amr], [first.claims.acr, first.claims.amr])
    const told = await site.party().introspect(later.tokens.access_token)
    assert.deepEqual([told.acr, told.auth_time], [first.claims.acr, first.claims.auth_time])
  })

  test('no other client refreshes it, and it widens nothing (OA-18)', async () => {
    const { tokens } = await signInAt(site, site.browser(), await newMember(site), {
      by: 'totp',
      parameters: { scope: 'openid email' },
    })
    await refused('other', tokens.refresh_token)
    await assert.rejects(
      site.party().refresh(`${tokens.refresh_token}`, { scope: 'openid email groups' }),
      protocolError('invalid_scope'),
    )
    const narrow = await site.party().refresh(`${tokens.refresh_token}`, { scope: 'openid' })
    assert.equal(narrow.tokens.scope, 'openid')
  })

  for (const party of ['app', 'spa']) {
    test(`${party}: without offline_access it ends with the session`, async () => {
      const member = await newMember(site)
      const browser = site.browser()
      const { tokens } = await signInAt(site, browser, member, { party, by: 'totp' })
      assert.ok(tokens.refresh_token)
      const { tokens: next } = await site.party(party).refresh(`${tokens.refresh_token}`)
      await signOut(browser)
      await refused(party, next.refresh_token ?? tokens.refresh_token)
      assert.equal(await userinfoStatus(site.party(party), next.access_token), 401)
    })

    test(`${party}: with offline_access and consent it outlives the session`, async () => {
      const member = await newMember(site)
      const browser = site.browser()
      const { tokens, claims } = await offline(browser, member, party)
      assert.match(`${tokens.scope}`, /offline_access/)
      await signOut(browser)
      const again = await site.party(party).refresh(`${tokens.refresh_token}`)
      assert.deepEqual([again.claims.acr, again.claims.auth_time], [claims.acr, claims.auth_time])
      assert.equal((await again.userinfo()).email, member.email)
    })
  }

  test('offline_access without prompt=consent gives what ends with the session', async () => {
    const browser = site.browser()
    const { tokens } = await signInAt(site, browser, await newMember(site), {
      by: 'totp',
      parameters: { scope: 'openid offline_access' },
    })
    assert.doesNotMatch(`${tokens.scope}`, /offline_access/)
    await signOut(browser)
    if (tokens.refresh_token !== undefined) await refused('app', tokens.refresh_token)
  })

  test('a public client gets a new one each time; the old one kills the family and is in the audit log (OA-12)', async () => {
    const member = await newMember(site)
    const { tokens } = await offline(site.browser(), member, 'spa')
    const second = await site.party('spa').refresh(`${tokens.refresh_token}`)
    assert.notEqual(second.tokens.refresh_token, tokens.refresh_token)
    const third = await site.party('spa').refresh(`${second.tokens.refresh_token}`)
    await refused('spa', tokens.refresh_token)
    await refused('spa', third.tokens.refresh_token)
    await assert.rejects(third.userinfo())
    await site.gateway.installation.trail.flush()
    const events = (await site.gateway.installation.audit.list({})).map(({ event }) => event)
    assert.ok(events.includes('refresh.reuse_detected'))
  })

  test('revoking it ends its access tokens too', async () => {
    const { tokens, userinfo } = await signInAt(site, site.browser(), await newMember(site), { by: 'totp' })
    await site.party().revoke(`${tokens.refresh_token}`)
    await refused('app', tokens.refresh_token)
    await assert.rejects(userinfo())
  })

  test('what a sign-in at another client did is untouched by a revoked grant', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const app = await signInAt(site, browser, member, { by: 'totp' })
    const other = await signInAt(site, browser, member, { party: 'other' })
    await site.party().revoke(`${app.tokens.refresh_token}`)
    assert.equal((await other.userinfo()).sub, member.id)
    assert.deepEqual((await signInAt(site, browser, member)).pages, [])
  })
})

/** What happens to an account while a session or a token of it lives (SE-8, OA-11). */
onBothStores('accounts that change under a living session', (testSite) => {
  const site = testSite({ parties: { app: {}, spa: { clientSecret: 'none' } } })
  const audit = (event: 'user.disabled' | 'user.deleted' | 'password.changed', account: string) =>
    ({ event, outcome: 'ok', account }) as const

  const CHANGES: Record<string, (member: Member) => Promise<void>> = {
    disabled: ({ id }) => site.gateway.installation.accounts.setDisabled(id, true, audit('user.disabled', id)),
    removed: ({ id }) => site.gateway.installation.accounts.remove(id, audit('user.deleted', id)),
    'given another password': async ({ id }) => {
      const hash = await site.gateway.installation.hasher.hash('another password')
      await site.gateway.installation.accounts.setPassword(id, hash, audit('password.changed', id))
    },
    'signed out everywhere': ({ id }) =>
      site.gateway.installation.accounts.endEverything(id, { event: 'session.ended', outcome: 'ok', account: id }),
  }

  for (const [what, change] of Object.entries(CHANGES)) {
    test(`${what}: the session asks for a sign-in, and tokens are refused`, async () => {
      const member = await newMember(site)
      const browser = site.browser()
      const { tokens } = await signInAt(site, browser, member)
      assert.equal(await userinfoStatus(site.party(), tokens.access_token), 200)
      const { end } = await askFor(site, browser, member, { party: 'spa', parameters: OFFLINE })
      const kept = await site.party('spa').callback(`${(await browser.submit(end, { action: 'allow' })).location}`)
      const pending = await askFor(site, browser, member)
      assert.match(`${pending.end.location}`, /code=/)

      await change(member)

      const page = await browser.get(await site.party().authorize())
      assert.deepEqual([page.status, page.page], [200, 'login'], seen(page))
      const silent = await browser.get(await site.party().authorize({ prompt: 'none' }))
      assert.equal(answerIn(silent).error, 'login_required')
      for (const [party, { access_token }] of [
        ['app', tokens],
        ['spa', kept.tokens],
      ] as const) {
        assert.equal(await userinfoStatus(site.party(party), access_token), 401)
      }
      assert.deepEqual(await site.party().introspect(tokens.access_token), { active: false })
      await assert.rejects(site.party().refresh(`${tokens.refresh_token}`), protocolError('invalid_grant'))
      await assert.rejects(site.party('spa').refresh(`${kept.tokens.refresh_token}`), protocolError('invalid_grant'))
      await assert.rejects(site.party().callback(`${pending.end.location}`), protocolError('invalid_grant'))
    })
  }

  test('removed between password and code: the code signs nobody in', async () => {
    for (const change of ['disabled', 'removed', 'given another password']) {
      const member = await newMember(site)
      const browser = site.browser()
      let page = await browser.get(await site.party().authorize())
      page = await browser.submit(page, { username: member.username, password: member.password })
      assert.equal(page.page, 'verify-totp')
      await CHANGES[change]?.(member)
      const answer = await browser.submit(page, { code: member.nextCode() })
      assert.ok(answer.status < 500, seen(answer))
      assert.equal(answer.location, undefined, `${change}: ${seen(answer)}`)
      assert.equal(answer.page, 'login', seen(answer))
    }
  })

  test('enabled again, the old session and its tokens stay dead', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const { tokens } = await signInAt(site, browser, member)
    const { accounts } = site.gateway.installation
    await accounts.setDisabled(member.id, true, audit('user.disabled', member.id))
    await accounts.setDisabled(member.id, false, { event: 'user.enabled', outcome: 'ok', account: member.id })
    assert.equal((await browser.get(await site.party().authorize())).page, 'login')
    await assert.rejects(site.party().refresh(`${tokens.refresh_token}`), protocolError('invalid_grant'))
    assert.deepEqual((await signInAt(site, browser, member)).pages, ['login', 'verify-totp'])
  })
})

/** A refresh token says for ever what was proved when it was given; the policy may ask for more in the meantime. */
onBothStores('refresh tokens under a policy that rose', (testSite) => {
  const site = testSite({
    mail: 'on',
    parties: { app: {}, other: {} },
    config: { mfa: { enabled: false, optOut: { understood: true, disableMfa: true }, methods: ['email', 'totp'] } },
  })
  const OFF = { policy: { rules: [] } }
  const RAISED = { policy: { rules: [{ name: 'raised', when: { clients: ['app'] }, require: 'mfa' }] } }

  test('issued at pwd, it is refused once mfa is required, although the session was stepped up elsewhere (OA-11)', async () => {
    const member = await newMember(site, { app: 'none' })
    const browser = site.browser()
    const { tokens, claims } = await signInAt(site, browser, member)
    assert.equal(claims.acr, PWD)
    const stepped = await signInAt(site, browser, member, {
      party: 'other',
      by: 'totp',
      parameters: { acr_values: MFA },
    })
    assert.deepEqual([stepped.claims.acr, stepped.pages], [MFA, ['verify-email', 'bind-totp']])
    await site.gateway.reload(RAISED)
    try {
      await assert.rejects(site.party().refresh(`${tokens.refresh_token}`), protocolError('invalid_grant'))
      // The session itself is enough by now: what is refused is what the token says, not who asks.
      const again = await signInAt(site, browser, member)
      assert.deepEqual([again.pages, again.claims.acr], [[], MFA])
      assert.equal((await site.party().refresh(`${again.tokens.refresh_token}`)).claims.acr, MFA)
    } finally {
      await site.gateway.reload(OFF)
    }
  })

  test('issued at pwd, it is good for as long as nobody asks for more', async () => {
    const { tokens } = await signInAt(site, site.browser(), await newMember(site, { app: 'none' }))
    assert.equal((await site.party().refresh(`${tokens.refresh_token}`)).claims.acr, PWD)
  })
})
