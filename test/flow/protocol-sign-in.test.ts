import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose'
import * as client from 'openid-client'
import {
  answerIn,
  askFor,
  BY_HAND,
  newMember,
  onBothStores,
  redeemByHand,
  seen,
  signInAt,
  walkOn,
} from './protocol-site.ts'

const machineKeys = await generateKeyPair('ES256', { extractable: true })
const machineJwk = { ...(await exportJWK(machineKeys.publicKey)), kid: 'machine', alg: 'ES256', use: 'sig' }

onBothStores('a relying party on openid-client', (testSite) => {
  const site = testSite({
    parties: {
      app: {},
      other: {},
      elliptic: { metadata: { id_token_signed_response_alg: 'ES256' } },
      poster: { authentication: 'client_secret_post' },
      signer: {
        proof: client.PrivateKeyJwt({ key: machineKeys.privateKey, kid: 'machine' }),
        clientSecret: 'none',
        metadata: { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [machineJwk] } },
      },
      spa: { clientSecret: 'none' },
    },
  })

  test('the first sign-in binds the app, the second one asks for nothing and names the same session (D1, F1)', async () => {
    const member = await newMember(site, { app: 'none' })
    const browser = site.browser()
    const started = Math.floor(site.gateway.clock.now() / 1000)
    const first = await signInAt(site, browser, member)
    assert.deepEqual(first.pages, ['login', 'bind-totp'])
    const { claims } = first
    assert.equal(claims.sub, member.id)
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'])
    assert.ok(Number(claims.auth_time) >= started && Number(claims.auth_time) <= started + 10)
    assert.match(`${claims.sid}`, /^[\w-]{20,}$/)
    assert.equal(decodeProtectedHeader(`${first.tokens.id_token}`).alg, 'RS256')
    const second = await signInAt(site, browser, member)
    assert.deepEqual(second.pages, [])
    for (const name of ['acr', 'amr', 'auth_time', 'sid', 'sub'] as const) {
      assert.deepEqual(second.claims[name], claims[name], name)
    }
    const elsewhere = await signInAt(site, browser, member, { party: 'other' })
    assert.deepEqual(elsewhere.pages, [])
    assert.equal(elsewhere.claims.auth_time, claims.auth_time)
    assert.notEqual(elsewhere.claims.sid, undefined)
  })

  test('the ID token holds who and how (X4), never the claims of other scopes; userinfo answers by scope', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const expected: Record<string, string[]> = {
      openid: [],
      'openid profile': ['name', 'nickname', 'preferred_username', 'updated_at', 'username'],
      'openid email': ['email', 'email_verified'],
      'openid groups': ['groups'],
    }
    for (const [scope, names] of Object.entries(expected)) {
      const { claims, userinfo } = await signInAt(site, browser, member, { parameters: { scope } })
      const protocol = ['acr', 'amr', 'at_hash', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'nonce', 'sid', 'sub']
      assert.deepEqual(
        Object.keys(claims).filter((name) => !protocol.includes(name)),
        [],
      )
      const { sub, ...rest } = await userinfo()
      assert.equal(sub, member.id)
      const own = Object.keys(rest).filter((name) => !['acr', 'amr', 'auth_time', 'sid'].includes(name))
      assert.deepEqual(own.sort(), names)
    }
    const { userinfo } = await signInAt(site, browser, member)
    const everything = await userinfo()
    assert.equal(everything.email, member.email)
    assert.equal(everything.preferred_username, member.username)
    assert.equal(everything.username, member.username)
    assert.deepEqual(everything.groups, [])
  })

  test('ES256 where the client registered it', async () => {
    const { tokens } = await signInAt(site, site.browser(), await newMember(site), { party: 'elliptic' })
    assert.equal(decodeProtectedHeader(`${tokens.id_token}`).alg, 'ES256')
  })

  for (const party of ['poster', 'signer', 'spa']) {
    test(`${party}: its way of proving who it is redeems the code`, async () => {
      const { claims } = await signInAt(site, site.browser(), await newMember(site), { party })
      assert.equal(claims.aud, party)
    })
  }

  test('a code is refused to another client, to a wrong secret and without its verifier, and stays good for its own', async () => {
    const member = await newMember(site)
    const rp = site.party()
    const { client_id, client_secret } = site.party('other').client
    const { end } = await askFor(site, site.browser(), member, { parameters: BY_HAND })
    const refused = async (fields: Record<string, string>) => {
      const { status, body } = await redeemByHand(rp, end, fields)
      return [status, body.error]
    }
    assert.deepEqual(await refused({ client_secret: 'wrong' }), [401, 'invalid_client'])
    assert.deepEqual(await refused({ client_id, client_secret: `${client_secret}` }), [400, 'invalid_grant'])
    assert.deepEqual(await refused({ code_verifier: '' }), [400, 'invalid_grant'])
    assert.deepEqual(await refused({ code_verifier: 'x'.repeat(43) }), [400, 'invalid_grant'])
    assert.deepEqual(await refused({ redirect_uri: `${rp.redirectUri}/` }), [400, 'invalid_grant'])
    assert.equal((await redeemByHand(rp, end)).status, 200)
  })

  test('a pushed request signs in; its address works once', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    await signInAt(site, browser, member)
    const rp = site.party()
    const direct = await rp.authorize()
    const config = await rp.configuration()
    const pushed = await client.buildAuthorizationUrlWithPAR(config, direct.searchParams)
    assert.deepEqual([...pushed.searchParams.keys()].sort(), ['client_id', 'request_uri'])
    const answer = await browser.get(pushed)
    assert.equal((await rp.callback(`${answer.location}`)).claims.sub, member.id)
    const again = await browser.get(pushed)
    assert.equal(again.status, 400, seen(again))
    assert.equal(again.page, 'error')
  })

  test('a pushed request waits for the pages of a first sign-in too', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party()
    const direct = await rp.authorize()
    const pushed = await client.buildAuthorizationUrlWithPAR(await rp.configuration(), direct.searchParams)
    const { pages, end } = await walkOn(site, browser, member, await browser.get(pushed))
    assert.deepEqual(pages, ['login', 'verify-totp'])
    assert.equal((await rp.callback(`${end.location}`)).claims.sub, member.id)
  })

  test('a posted authorization request is answered by 303 to the same as GET (OA-7), and signs in', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party()
    const url = await rp.authorize()
    const posted = await browser.post(`${url.origin}${url.pathname}`, url.search.slice(1), {
      redirects: 'stop',
      from: rp.url,
    })
    assert.equal(posted.status, 303)
    assert.deepEqual([...new URL(`${posted.location}`).searchParams], [...url.searchParams])
    const { end } = await walkOn(site, browser, member, await browser.get(`${posted.location}`))
    assert.equal((await rp.callback(`${end.location}`)).claims.sub, member.id)
  })

  test('response_mode=form_post posts code, state and iss to the redirect URI', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    await signInAt(site, browser, member)
    const rp = site.party()
    const url = await rp.authorize({ response_mode: 'form_post' })
    const answer = await browser.get(url)
    assert.equal(answer.status, 200)
    assert.equal(answer.headers['cache-control'], 'no-store')
    assert.equal(answer.form?.action, rp.redirectUri)
    assert.equal(answer.form?.method, 'post')
    const { code = '', state, iss = '' } = answer.form?.hidden ?? {}
    assert.equal(state, url.searchParams.get('state'))
    assert.equal(iss, site.gateway.issuer)
    const callback = new URL(rp.redirectUri)
    callback.search = new URLSearchParams({ code, state: `${state}`, iss }).toString()
    assert.equal((await rp.callback(callback)).claims.sub, member.id)
  })

  test('unknown parameters change nothing (J2); state and nonce come back byte for byte (OA-6)', async () => {
    const member = await newMember(site)
    const state = 'a b+c%20d/é?&=#"<'
    const { end, pages } = await askFor(site, site.browser(), member, {
      parameters: { state, nonce: state, foo: 'bar', audience: 'x', access_type: 'offline', hd: 'example.test' },
    })
    assert.deepEqual(pages, ['login', 'verify-totp'])
    assert.equal(answerIn(end).state, state)
    assert.equal((await site.party().callback(`${end.location}`)).claims.nonce, state)
  })

  test('a token serves its own client alone: introspection (F1, OA-9) and revocation', async () => {
    const rp = site.party()
    const { tokens, claims } = await signInAt(site, site.browser(), await newMember(site))
    const own = await rp.introspect(tokens.access_token)
    assert.equal(own.active, true)
    assert.equal(own.acr, claims.acr)
    assert.deepEqual(own.amr, claims.amr)
    assert.equal(own.auth_time, claims.auth_time)
    assert.equal(own.sub, claims.sub)
    assert.deepEqual(await site.party('other').introspect(tokens.access_token), { active: false })
    // RFC 7009, 2.1: a token of somebody else is not revoked.
    await site
      .party('other')
      .revoke(tokens.access_token)
      .catch(() => undefined)
    assert.equal((await rp.introspect(tokens.access_token)).active, true)
    await rp.revoke(tokens.access_token)
    assert.deepEqual(await rp.introspect(tokens.access_token), { active: false })
    await assert.rejects(client.fetchUserInfo(await rp.configuration(), tokens.access_token, claims.sub))
    await assert.rejects(rp.introspect('not-a-token').then(({ active }) => assert.equal(active, true)))
  })

  test('a code that comes a second time is refused, its tokens die, and the audit log says so (OA-3)', async () => {
    const rp = site.party()
    const { end } = await askFor(site, site.browser(), await newMember(site), { parameters: BY_HAND })
    const { body } = await redeemByHand(rp, end)
    assert.equal((await rp.introspect(`${body.access_token}`)).active, true)
    const again = await redeemByHand(rp, end)
    assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant'])
    assert.deepEqual(await rp.introspect(`${body.access_token}`), { active: false })
    assert.equal((await site.events('code.replay')).length, 1)
  })
})
