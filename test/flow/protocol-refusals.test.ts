import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchange } from '../harness/exchange.ts'
import { answerIn, newMember, onBothStores, postForm, seen, signInAt, tokenRequest } from './protocol-site.ts'

const PWD = 'urn:stepgate:acr:pwd'
const MFA = 'urn:stepgate:acr:mfa'

onBothStores('what the protocol refuses', (testSite) => {
  const site = testSite({ parties: { app: {}, spa: { clientSecret: 'none' } } })

  test('discovery says what is there, and no address of it comes from the request (X6, WE-10)', async () => {
    const { issuer } = site.gateway
    const url = `${issuer}/.well-known/openid-configuration`
    const told = { 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example', 'x-forwarded-proto': 'https' }
    const answer = await exchange({ url, headers: told })
    assert.equal(answer.status, 200)
    const metadata = JSON.parse(`${answer.body}`)
    assert.equal(metadata.issuer, issuer)
    for (const [name, value] of Object.entries(metadata)) {
      if (/_(?:endpoint|uri)$/.test(name)) assert.ok(`${value}`.startsWith(`${issuer}/`), `${name}: ${value}`)
    }
    assert.deepEqual(metadata.acr_values_supported, [PWD, 'urn:stepgate:acr:2sv', MFA])
    assert.deepEqual(metadata.response_types_supported, ['code'])
    assert.deepEqual(metadata.code_challenge_methods_supported, ['S256'])
    assert.deepEqual(metadata.id_token_signing_alg_values_supported.sort(), ['ES256', 'RS256'])
    assert.deepEqual(metadata.grant_types_supported.sort(), [
      'authorization_code',
      'client_credentials',
      'refresh_token',
    ])
    assert.equal(metadata.authorization_response_iss_parameter_supported, true)
    assert.equal(metadata.backchannel_logout_supported, true)
    assert.equal(metadata.backchannel_logout_session_supported, true)
    assert.equal(metadata.claims_parameter_supported, true)
    for (const claim of ['acr', 'amr', 'auth_time', 'sid', 'sub', 'email', 'groups']) {
      assert.ok(metadata.claims_supported.includes(claim), claim)
    }
    assert.equal('registration_endpoint' in metadata, false)
    assert.equal((await exchange({ url, headers: { host: 'evil.example' } })).status, 421)
  })

  test('the published keys have public parts alone (KM-1)', async () => {
    const { jwks_uri } = (await site.party().configuration()).serverMetadata()
    const { keys } = JSON.parse(`${(await exchange({ url: `${jwks_uri}` })).body}`)
    assert.deepEqual(keys.map(({ alg }: { alg: string }) => alg).sort(), ['ES256', 'RS256'])
    for (const key of keys) {
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) assert.equal(secret in key, false)
    }
  })

  // OA-4: whatever would put a token into an address.
  for (const response_type of ['token', 'id_token', 'id_token token', 'code id_token', 'code token', 'none', 'bogus']) {
    test(`response_type=${response_type} is refused, and the relying party told so with iss (OA-4, OA-5)`, async () => {
      const url = await site.party().authorize({ response_type })
      const answer = answerIn(await site.browser().get(url))
      assert.match(`${answer.error}`, /^unsupported_response_type$/)
      assert.equal(answer.iss, site.gateway.issuer)
      assert.equal(answer.state, url.searchParams.get('state'))
      assert.equal(answer.id_token ?? answer.access_token ?? answer.code, undefined)
    })
  }

  for (const grant_type of ['password', 'implicit', 'urn:ietf:params:oauth:grant-type:device_code', 'bogus']) {
    test(`grant_type=${grant_type} is no way round (B5)`, async () => {
      const { username, password } = await newMember(site)
      const { status, body } = await tokenRequest(site.party(), { grant_type, username, password, scope: 'openid' })
      assert.deepEqual([status, body.error], [400, 'unsupported_grant_type'])
    })
  }

  test('a grant that the client was not given gives nothing', async () => {
    const { status, body } = await tokenRequest(site.party(), { grant_type: 'client_credentials' })
    assert.deepEqual([status, body.access_token], [400, undefined])
    assert.match(`${body.error}`, /^(?:unauthorized_client|invalid_request)$/)
  })

  for (const party of ['app', 'spa']) {
    const cases = {
      missing: { code_challenge: undefined, code_challenge_method: undefined },
      plain: { code_challenge: 'x'.repeat(43), code_challenge_method: 'plain' },
      'without its method, which means plain,': { code_challenge: 'x'.repeat(43), code_challenge_method: undefined },
      'of another length': { code_challenge: 'x'.repeat(42) },
    }
    for (const [what, parameters] of Object.entries(cases)) {
      test(`${party}: a PKCE challenge ${what} is refused (OA-2)`, async () => {
        const answer = answerIn(await site.browser().get(await site.party(party).authorize(parameters)))
        assert.equal(answer.error, 'invalid_request')
        assert.equal(answer.iss, site.gateway.issuer)
      })
    }
  }

  test('a redirect URI that differs in anything shows a page here and sends nothing anywhere (OA-1)', async () => {
    const { redirectUri, url } = site.party()
    const { host, hostname, port } = new URL(redirectUri)
    const variants = [
      `${redirectUri}/`,
      `${redirectUri}?x=1`,
      `${redirectUri}#x`,
      `${redirectUri}/../callback`,
      `${url}/callback/%2e%2e/callback`,
      `${url}/Callback`,
      `${url}//callback`,
      `${url}/callback%00`,
      `https://${host}/callback`,
      `http://user@${host}/callback`,
      `http://${host}@evil.example/callback`,
      `http://${host}.evil.example/callback`,
      `http://evil.example/callback`,
      `http://evil.example\\@${host}/callback`,
      `http://${hostname}:${Number(port) + 1}/callback`,
      `http://localhost:${port}/callback`,
      'javascript:alert(1)',
      `${redirectUri} http://evil.example/`,
      '/callback',
      '',
    ]
    const browser = site.browser()
    for (const redirect_uri of variants) {
      const answer = await browser.get(await site.party().authorize({ redirect_uri }))
      assert.deepEqual(
        [answer.status, answer.page, answer.location],
        [400, 'error', undefined],
        `${redirect_uri}: ${seen(answer)}`,
      )
    }
    const missing = await browser.get(await site.party().authorize({ redirect_uri: undefined }))
    assert.deepEqual([missing.status, missing.page], [400, 'error'])
    const twice = await site.party().authorize()
    twice.searchParams.append('redirect_uri', 'http://evil.example/')
    assert.deepEqual(seen(await browser.get(twice)).slice(0, 9), '400 error')
  })

  test('an unknown client, request objects and addresses of requests are refused here', async () => {
    const browser = site.browser()
    const stranger = await browser.get(await site.party().authorize({ client_id: 'nobody' }))
    assert.deepEqual([stranger.status, stranger.page], [400, 'error'])
    const requests = {
      request: 'eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9.',
      request_uri: 'https://evil.example/request',
    }
    for (const [name, value] of Object.entries(requests)) {
      const answer = await browser.get(await site.party().authorize({ [name]: value }))
      const error = answer.location === undefined ? answer.page : answerIn(answer).error
      assert.match(`${error}`, /^error$|_not_supported$|^invalid_request/, `${name}: ${seen(answer)}`)
      assert.notEqual(answer.page, 'login')
    }
  })

  test('a scope that is not there is left out of the token (OA-18)', async () => {
    const member = await newMember(site)
    const { tokens } = await signInAt(site, site.browser(), member, { parameters: { scope: 'openid admin' } })
    assert.equal(tokens.scope, 'openid')
  })

  test('an access token in a query is no access token (SE-11)', async () => {
    const { tokens } = await signInAt(site, site.browser(), await newMember(site))
    const { userinfo_endpoint } = (await site.party().configuration()).serverMetadata()
    const url = `${userinfo_endpoint}`
    for (const address of [`${url}?access_token=${tokens.access_token}`, url]) {
      const { status, body } = await exchange({ url: address })
      assert.ok(status === 400 || status === 401, `${status}`)
      assert.equal(`${body}`.includes('sub'), false)
    }
    const bearer = { authorization: `Bearer ${tokens.access_token}` }
    assert.equal((await exchange({ url, headers: bearer })).status, 200)
    const wrong = await exchange({ url, headers: { authorization: `Bearer ${tokens.access_token}x` } })
    assert.equal(wrong.status, 401)
    assert.match(`${wrong.headers['www-authenticate']}`, /error="invalid_token"/)
    const { status } = await postForm(url, { access_token: tokens.access_token }, bearer)
    assert.equal(status, 400, 'two ways at once')
  })

  test('an ID token is no access token, and an access token opens nothing but userinfo', async () => {
    const { tokens } = await signInAt(site, site.browser(), await newMember(site))
    const { userinfo_endpoint } = (await site.party().configuration()).serverMetadata()
    const headers = { authorization: `Bearer ${tokens.id_token}` }
    assert.equal((await exchange({ url: `${userinfo_endpoint}`, headers })).status, 401)
    assert.deepEqual(
      await site
        .party()
        .introspect(`${tokens.id_token}`)
        .catch(() => ({ active: false })),
      {
        active: false,
      },
    )
  })

  test('errors of a sign-in that is given up carry state and iss (OA-5)', async () => {
    const browser = site.browser()
    const url = await site.party().authorize()
    const answer = answerIn(await browser.submit(await browser.get(url), { action: 'cancel' }))
    assert.deepEqual(answer, {
      error: 'access_denied',
      error_description: answer.error_description,
      state: url.searchParams.get('state'),
      iss: site.gateway.issuer,
    })
  })

  test('browsers of strangers may not read what endpoints answer (WE-13)', async () => {
    const { tokens } = await signInAt(site, site.browser(), await newMember(site))
    const { userinfo_endpoint } = (await site.party().configuration()).serverMetadata()
    const headers = { origin: 'https://evil.example', authorization: `Bearer ${tokens.access_token}` }
    const { headers: given, status } = await exchange({ url: `${userinfo_endpoint}`, headers })
    assert.equal(given['access-control-allow-origin'], undefined, `${status}`)
  })
})
