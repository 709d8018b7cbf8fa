import assert from 'node:assert/strict'
import { test } from 'node:test'
import { discoverAsNocoBase, nocobaseClient } from '../harness/nocobase.ts'
import { answerIn, askFor, newMember, onBothStores, protocolError, seen, signInAt, walkOn } from './protocol-site.ts'

const NOCOBASE_POST = { clientId: 'nocobase-post', authentication: 'client_secret_post' } as const
const NATIVE = {
  client_id: 'native',
  client_name: 'Desktop',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  redirect_uris: ['http://127.0.0.1/callback', 'com.example.desktop:/callback'],
}

onBothStores('kinds of clients', (testSite) => {
  const site = testSite({
    parties: {
      app: {},
      third: { metadata: { firstParty: false } },
      desktop: {
        clientSecret: 'none',
        metadata: { application_type: 'native', redirect_uris: ['http://127.0.0.1/callback'] },
      },
      stranger: {
        clientSecret: 'none',
        metadata: { application_type: 'native', redirect_uris: ['http://127.0.0.1/callback'], firstParty: false },
      },
    },
    clients: [nocobaseClient({}), nocobaseClient(NOCOBASE_POST), NATIVE],
  })

  const USERINFO = [
    { method: 'POST', via: 'body' },
    { method: 'POST', via: 'header' },
    { method: 'GET', via: 'header' },
  ] as const
  for (const userinfo of USERINFO) {
    for (const given of [{}, NOCOBASE_POST]) {
      const { authentication = 'client_secret_basic' } = nocobaseClient(given) as { authentication?: string }
      test(`NocoBase: ${given === NOCOBASE_POST ? 'client_secret_post' : authentication}, userinfo by ${userinfo.method} with the token in ${userinfo.via} (J1)`, async () => {
        const nocobase = await discoverAsNocoBase({ issuer: site.gateway.issuer, ...given, userinfo })
        const member = await newMember(site)
        const browser = site.browser()
        const asked = nocobase.authorize()
        const { pages, end } = await walkOn(site, browser, member, await browser.get(asked))
        assert.deepEqual(pages, ['login', 'verify-totp'])
        assert.ok(end.location?.startsWith('https://app.example.com/api/oidc:redirect?'), seen(end))
        assert.equal(answerIn(end).state, asked.searchParams.get('state'))
        const user = await nocobase.callback(`${end.location}`)
        assert.equal(user.idToken.acr, 'urn:stepgate:acr:mfa')
        assert.equal(user.userinfo.email, member.email)
        assert.equal(user.userinfo.username, member.username)
        assert.equal(user.userinfo.preferred_username, member.username)
        assert.equal(user.userinfo.nickname, member.username)
        assert.equal(user.userinfo.name, member.username)
        const out = await browser.get(nocobase.logout())
        assert.equal((await browser.submit(out, { logout: 'yes' })).location, 'https://app.example.com/')
      })
    }
  }

  test('NocoBase: on a remembered browser the password is enough, and the token says so (E2, TD-1)', async () => {
    const nocobase = await discoverAsNocoBase({ issuer: site.gateway.issuer })
    const member = await newMember(site)
    const browser = site.browser()
    const first = await walkOn(site, browser, member, await browser.get(nocobase.authorize()), { remember: 'on' })
    assert.equal((await nocobase.callback(`${first.end.location}`)).idToken.acr, 'urn:stepgate:acr:mfa')
    await browser.clear('stepgate-session', 'stepgate-session.sig')
    const second = await walkOn(site, browser, member, await browser.get(nocobase.authorize()))
    assert.deepEqual(second.pages, ['login'])
    const { idToken } = await nocobase.callback(`${second.end.location}`)
    assert.deepEqual([idToken.acr, idToken.amr], ['urn:stepgate:acr:pwd', ['pwd']])
  })

  test('NocoBase: who gives up comes back with an error and the same state', async () => {
    const nocobase = await discoverAsNocoBase({ issuer: site.gateway.issuer })
    const browser = site.browser()
    const asked = nocobase.authorize()
    const end = await browser.submit(await browser.get(asked), { action: 'cancel' })
    assert.equal(answerIn(end).state, asked.searchParams.get('state'))
    await assert.rejects(nocobase.callback(`${end.location}`), /access_denied/)
  })

  test('an app of ours on the own device signs in on any loopback port, twice, and nobody is asked for consent', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party('desktop')
    for (const pages of [['login', 'verify-totp'], [], []]) {
      const walked = await askFor(site, browser, member, {
        party: 'desktop',
        parameters: { redirect_uri: rp.redirectUri },
      })
      assert.deepEqual(walked.pages, pages)
      assert.ok(walked.end.location?.startsWith(`${rp.redirectUri}?`), seen(walked.end))
      assert.equal((await rp.callback(`${walked.end.location}`)).claims.sub, member.id)
    }
  })

  test('on loopback only the port may vary (OA-1)', async () => {
    const { redirectUri } = site.party('desktop')
    for (const redirect_uri of [
      `${redirectUri}x`,
      redirectUri.replace('127.0.0.1', 'localhost'),
      redirectUri.replace('http:', 'https:'),
      'http://127.0.0.1.evil.example:80/callback',
    ]) {
      const answer = await site.browser().get(await site.party('desktop').authorize({ redirect_uri }))
      assert.deepEqual([answer.status, answer.page], [400, 'error'], redirect_uri)
    }
  })

  test('an app with a scheme of its own gets its code there', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const url = await site.party().authorize({ client_id: 'native', redirect_uri: 'com.example.desktop:/callback' })
    const { end } = await walkOn(site, browser, member, await browser.get(url))
    assert.match(`${end.location}`, /^com\.example\.desktop:\/callback\?code=/)
  })

  test('a native app of somebody else asks each time it signs in, and does not ask for ever', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party('stranger')
    for (const expected of [['login', 'verify-totp'], []]) {
      const walked = await askFor(site, browser, member, {
        party: 'stranger',
        parameters: { redirect_uri: rp.redirectUri },
      })
      assert.deepEqual(walked.pages, expected)
      assert.equal(walked.end.page, 'consent', seen(walked.end))
      const allowed = await browser.submit(walked.end, { action: 'allow' })
      assert.equal((await rp.callback(`${allowed.location}`)).claims.sub, member.id)
    }
  })

  test('a third party asks once, for what it is named, and gets what was allowed (OA-17)', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party('third')
    const { pages, end } = await askFor(site, browser, member, {
      party: 'third',
      parameters: { scope: 'openid email' },
    })
    assert.deepEqual(pages, ['login', 'verify-totp'])
    assert.equal(end.page, 'consent', seen(end))
    assert.match(end.text(), /third/)
    const { claims, tokens, userinfo } = await rp.callback(
      `${(await browser.submit(end, { action: 'allow' })).location}`,
    )
    assert.equal(claims.acr, 'urn:stepgate:acr:mfa')
    assert.deepEqual(claims.amr, ['pwd', 'otp', 'mfa'])
    assert.equal(tokens.scope, 'openid email')
    assert.equal((await userinfo()).email, member.email)
    const again = await signInAt(site, browser, member, { party: 'third', parameters: { scope: 'openid email' } })
    assert.deepEqual(again.pages, [])
    const more = await askFor(site, browser, member, { party: 'third', parameters: { scope: 'openid email groups' } })
    assert.equal(more.end.page, 'consent', 'a further scope is asked for')
  })

  test('a third party without consent gets nothing: cancelled, silent, or with the form of another browser', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const rp = site.party('third')
    await signInAt(site, browser, member)
    const silent = await browser.get(await rp.authorize({ prompt: 'none' }))
    assert.equal(answerIn(silent).error, 'consent_required')
    const { end } = await askFor(site, browser, member, { party: 'third' })
    assert.equal(end.page, 'consent', seen(end))
    const forged = await site.browser().post(end.url, { ...end.form?.hidden, action: 'allow' })
    assert.notEqual(forged.status, 303)
    const wrong = await browser.submit(end, { csrf: 'x'.repeat(43), action: 'allow' })
    assert.deepEqual([wrong.status, wrong.error], [403, 'csrf'])
    const cancelled = await browser.submit(end, { action: 'cancel' })
    await assert.rejects(rp.callback(`${cancelled.location}`), protocolError('access_denied'))
    const { end: next } = await askFor(site, browser, member, { party: 'third' })
    assert.equal(next.page, 'consent', 'it is asked again')
  })

  test('prompt=consent asks of a client of ours too', async () => {
    const member = await newMember(site)
    const browser = site.browser()
    const { pages, end } = await askFor(site, browser, member, { parameters: { prompt: 'consent' } })
    assert.deepEqual(pages, ['login', 'verify-totp'])
    assert.equal(end.page, 'consent', seen(end))
    const allowed = await browser.submit(end, { action: 'allow' })
    assert.equal((await site.party().callback(`${allowed.location}`)).claims.sub, member.id)
  })
})
