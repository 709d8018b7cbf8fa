import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import { CLIENT } from '../harness/gateway.ts'
import { assertPage, CREDENTIALS, FORM, onServers, REQUEST, requestOf, seen } from './site.ts'

/**
 * The address to which a code is sent is the one thing an attacker needs to change. Products compared it by prefix, by
 * pattern with an unescaped dot, after decoding, or took it from a request object that nobody had signed
 * (CVE-2023-6291, CVE-2024-52289, CVE-2024-56734, CVE-2025-27143); and fetched what a stranger told them to
 * (CVE-2020-10770). The engine does these well (X12): here they stay so.
 */

const REGISTERED = 'https://app.example.com/callback'
const NATIVE = 'http://127.0.0.1/native'

const ELSEWHERE = [
  'https://evil.example/callback',
  `${REGISTERED}/`,
  `${REGISTERED}/../evil`,
  `${REGISTERED}/%2e%2e/evil`,
  `${REGISTERED}?x=1`,
  `${REGISTERED}?`,
  `${REGISTERED}#x`,
  `${REGISTERED}#`,
  `${REGISTERED}%00`,
  `${REGISTERED}%0d%0aX: y`,
  ` ${REGISTERED}`,
  `${REGISTERED} `,
  `${REGISTERED},https://evil.example/`,
  `${REGISTERED} https://evil.example/`,
  'https://app.example.com/Callback',
  'https://app.example.com/callback2',
  'https://app.example.com/x/../callback',
  'https://app.example.com//callback',
  'https://app.example.com/%63allback',
  'https://app.example.com\\@evil.example/callback',
  'https://app.example.com@evil.example/callback',
  'https://app.example.com:443/callback',
  'https://app.example.com.evil.example/callback',
  'https://appXexample.com/callback',
  'https://APP.EXAMPLE.COM/callback',
  'https://app.example.com./callback',
  'https://evil.example/https://app.example.com/callback',
  'https://evil.example?https://app.example.com/callback',
  'https://user:password@app.example.com/callback',
  'http://app.example.com/callback',
  '//app.example.com/callback',
  '//evil.example/callback',
  '/\\evil.example/callback',
  'javascript:alert(1)',
  'data:text/html,<script>alert(1)</script>',
  'https:app.example.com/callback',
  'https:/app.example.com/callback',
  'app.example.com/callback',
  '/callback',
  'urn:ietf:wg:oauth:2.0:oob',
  'null',
  '',
  'http://127.0.0.1/callback',
  'http://localhost/callback',
]

const NOT_THE_NATIVE_ONE = [
  'http://127.0.0.1:80@evil.example/native',
  'http://127.0.0.1.evil.example/native',
  'http://127.0.0.1:4711/other',
  'http://127.0.0.1:4711/native/',
  'http://127.0.0.1:99999/native',
  'http://127.0.0.2:4711/native',
  'http://localhost:4711/native',
  'http://[::1]:4711/native',
  'https://127.0.0.1:4711/native',
  'http://0.0.0.0:4711/native',
]

onServers('redirects and requests', (testSite) => {
  const site = testSite({
    config: {
      clients: [
        { ...CLIENT, redirect_uris: [REGISTERED], post_logout_redirect_uris: ['https://app.example.com/'] },
        {
          client_id: 'native',
          application_type: 'native',
          token_endpoint_auth_method: 'none',
          redirect_uris: [NATIVE],
        },
      ],
    },
  })
  /** What a server inside the network would hear. */
  const heard: string[] = []
  const inside = createServer((request, response) => {
    heard.push(`${request.url}`)
    response.end('e30.e30.')
  })
  before(() => new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve)))
  after(() => inside.close())
  const insideUrl = () => `http://127.0.0.1:${(inside.address() as AddressInfo).port}`

  for (const [client_id, addresses] of [
    ['app', ELSEWHERE],
    ['native', NOT_THE_NATIVE_ONE],
  ] as const) {
    test(`${client_id}: a redirect URI that is not the registered one is answered here, whatever else is asked`, async () => {
      const browser = site.browser()
      for (const redirect_uri of addresses) {
        for (const more of [
          {},
          { prompt: 'none' },
          { response_type: 'token' },
          { response_mode: 'form_post', scope: '' },
        ]) {
          const url = requestOf(site.issuer, { client_id, redirect_uri, ...more })
          const answer = await browser.get(url, { redirects: 'stop' })
          assert.equal(answer.location, undefined, `${redirect_uri}: ${seen(answer)}`)
          assertPage(answer, 'error', 'protocol', 400)
          assert.doesNotMatch(answer.body, /evil\.example|alert\(1\)/)
        }
      }
    })
  }

  test('only the port of a loopback address may vary, and only for a native client (RFC 8252, 7.3)', async () => {
    const browser = site.browser()
    const native = { client_id: 'native', redirect_uri: 'http://127.0.0.1:4711/native', prompt: 'none' }
    const answer = await browser.get(requestOf(site.issuer, native), { redirects: 'stop' })
    assert.ok(answer.location?.startsWith('http://127.0.0.1:4711/native?error=login_required'), seen(answer))
  })

  test('a redirect URI given twice, or left out, or hidden in another parameter sends nobody anywhere', async () => {
    const good = new URLSearchParams({ ...REQUEST, redirect_uri: REGISTERED })
    const without = new URLSearchParams(good)
    without.delete('redirect_uri')
    const evil = 'redirect_uri=https%3A%2F%2Fevil.example%2F'
    for (const query of [
      `${good}&${evil}`,
      `${evil}&${good}`,
      `${without}`,
      `${without}&redirect_uri%5B%5D=https%3A%2F%2Fevil.example`,
      `${without}&Redirect_Uri=${encodeURIComponent(REGISTERED)}`,
      `${without}&x=%26${encodeURIComponent(`redirect_uri=${REGISTERED}`)}`,
    ]) {
      const answer = await site.send('GET', `/auth?${query}`)
      assert.equal(answer.status, 400, query)
      assert.equal(answer.headers.location, undefined)
    }
  })

  test('requests in objects are refused, unsigned ones first of all (RFC 9101)', async () => {
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { ...REQUEST, iss: 'app', aud: site.issuer, redirect_uri: 'https://evil.example/' }
    for (const header of [{ alg: 'none' }, { alg: 'None' }, { alg: 'HS256' }, { alg: 'RS256', kid: 'x' }, {}]) {
      for (const signature of ['', 'AAAA']) {
        const request = `${encoded(header)}.${encoded(claims)}.${signature}`
        const answer = await site.send(
          'GET',
          new URL(requestOf(site.issuer, { redirect_uri: REGISTERED, request })).href.slice(site.issuer.length),
        )
        assert.doesNotMatch(`${answer.headers.location} ${answer.body}`, /evil\.example/)
        const to = `${answer.headers.location ?? ''}`
        const told =
          to.startsWith(`${REGISTERED}?`) && new URL(to).searchParams.get('error') === 'request_not_supported'
        assert.ok(answer.status === 400 || told, `${answer.status} ${to}`)
        const pushed = await site.send('POST', '/request', {
          headers: { 'content-type': FORM },
          body: `${new URLSearchParams({ ...REQUEST, ...CREDENTIALS, redirect_uri: REGISTERED, request })}`,
        })
        assert.equal(pushed.status, 400, `${pushed.body}`)
      }
    }
  })

  test('nothing a stranger names is fetched: request_uri, logos, policies, sector identifiers (SS-1, SS-3)', async () => {
    const targets = [
      `${insideUrl()}/request`,
      'http://169.254.169.254/latest',
      'file:///etc/passwd',
      'gopher://127.0.0.1:6379/_',
    ]
    const names = [
      'request_uri',
      'logo_uri',
      'client_uri',
      'policy_uri',
      'jwks_uri',
      'sector_identifier_uri',
      'registration',
    ]
    for (const target of targets) {
      for (const name of names) {
        const url = requestOf(site.issuer, { redirect_uri: REGISTERED, [name]: target })
        const answer = await site.browser().get(url, { redirects: 'stop' })
        if (name === 'request_uri')
          assert.ok(answer.status >= 300 && !answer.location?.includes('/interaction/'), seen(answer))
        const body = `${new URLSearchParams({ ...REQUEST, ...CREDENTIALS, redirect_uri: REGISTERED, [name]: target })}`
        await site.send('POST', '/request', { headers: { 'content-type': FORM }, body })
      }
      const hint = await site.send('GET', `/session/end?id_token_hint=${encodeURIComponent(target)}`)
      assert.equal(hint.status, 400)
    }
    const keys = `${Buffer.from(JSON.stringify({ alg: 'RS256', jku: insideUrl(), x5u: insideUrl() })).toString('base64url')}.e30.AAAA`
    const assertion = {
      client_id: 'app',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: keys,
      grant_type: 'client_credentials',
    }
    const answer = await site.send('POST', '/token', {
      headers: { 'content-type': FORM },
      body: `${new URLSearchParams(assertion)}`,
    })
    assert.ok([400, 401].includes(answer.status), `${answer.status}`)
    assert.deepEqual(heard, [])
    await fetch(insideUrl())
    assert.equal(heard.length, 1, 'it would have heard')
  })

  test('there is no registration of clients, no device flow, no page of the engine for development (OA-16, WE-12)', async () => {
    const body = JSON.stringify({ redirect_uris: ['https://evil.example/'], client_name: 'Evil' })
    const headers = { 'content-type': 'application/json' }
    for (const path of ['/reg', '/register', '/connect/register', '/device', '/device/auth', '/backchannel', '/ciba']) {
      assert.equal((await site.send('POST', path, { body, headers })).status, 404, path)
      assert.equal((await site.send('GET', path)).status, 404, path)
    }
    const page = await site.open(site.browser(), { redirect_uri: REGISTERED })
    assertPage(page, 'login')
    assert.doesNotMatch(page.body, /oidc-provider|devInteractions|<pre/)
  })

  test('files outside of the assets are nobody’s to read, nor are metrics (LG-5)', async () => {
    for (const path of [
      '/assets/../package.json',
      '/assets/..%2fpackage.json',
      '/assets/%2e%2e/%2e%2e/etc/passwd',
      '/assets/',
    ]) {
      const { status, body } = await site.send('GET', path)
      assert.equal(status, 404, path)
      assert.doesNotMatch(`${body}`, /root:|"name": "stepgate"/)
    }
    for (const path of [
      '/.env',
      '/.git/config',
      '/config/stepgate.yaml',
      '/metrics',
      '/debug',
      '/admin',
      '/server-status',
    ]) {
      assert.equal((await site.send('GET', path)).status, 404, path)
    }
  })

  test('after all of it the registered address gets its code', async () => {
    const [person, browser] = [await site.person(), site.browser()]
    const secret = await site.bindApp(person)
    const page = await site.enter(browser, person, { redirect_uri: REGISTERED })
    const end = await browser.submit(page, { code: site.appCode(secret) })
    assert.ok(end.location?.startsWith(`${REGISTERED}?code=`), seen(end))
    assert.deepEqual(site.faults, [])
  })
})
