import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { Answer } from '../harness/exchange.ts'
import { EXECUTED, type Hostile, MALFORMED, MEGABYTE, STRANGE } from './hostile.ts'
import { CREDENTIALS, codeIn, FORM, onStores, REDIRECT, REQUEST, somebodySignedIn, VERIFIER } from './site.ts'

/**
 * The protocol's endpoints are open to the world and take dozens of parameters. One that ends in an exception is a
 * lever: for knowing what runs here, for filling logs, for a check that is never reached. Every parameter of every
 * endpoint gets everything: the answer is a refusal of the protocol's own or what the request would have got without
 * it, nobody is redirected to a place that is not registered, and nothing is ever our fault.
 */

const AUTHORIZATION = [
  ...Object.keys(REQUEST),
  ...['prompt', 'max_age', 'acr_values', 'login_hint', 'ui_locales', 'claims_locales', 'id_token_hint', 'claims'],
  ...['response_mode', 'display', 'request', 'request_uri', 'registration', 'resource', 'code_challenge_methods'],
] as const
const LOGOUT = ['id_token_hint', 'logout_hint', 'client_id', 'post_logout_redirect_uri', 'state', 'ui_locales'] as const
/** Good requests, of which one parameter at a time is replaced. */
const TOKEN = {
  ...CREDENTIALS,
  grant_type: 'authorization_code',
  code: 'not-a-code-of-ours',
  redirect_uri: REDIRECT,
  code_verifier: VERIFIER,
}
const BACK_CHANNEL: [path: string, fields: Record<string, string>, more: readonly string[]][] = [
  ['/token', TOKEN, ['scope', 'resource', 'audience', 'client_assertion', 'client_assertion_type', 'refresh_token']],
  ['/token', { ...TOKEN, grant_type: 'refresh_token', refresh_token: 'not-a-token' }, ['scope', 'resource']],
  ['/token', { ...TOKEN, grant_type: 'client_credentials' }, ['scope', 'resource']],
  ['/token/introspection', { ...CREDENTIALS, token: 'not-a-token' }, ['token_type_hint']],
  ['/token/revocation', { ...CREDENTIALS, token: 'not-a-token' }, ['token_type_hint']],
  ['/request', { ...CREDENTIALS, ...REQUEST }, ['request', 'request_uri', 'prompt', 'max_age', 'claims', 'acr_values']],
]
const PATHS = ['/', '/auth', '/auth/0123456789abcdef', '/token', '/me', '/session/end', '/session/end/confirm', '/jwks']
const EVERY: readonly Hostile[] = [...MALFORMED, ...STRANGE]

onStores(['servers', 'embedded'], 'hostile requests of the protocol', (testSite) => {
  const site = testSite()

  function assertHarmless(answer: Answer, what: string): void {
    const { status, headers, body } = answer
    const said = `${what}: ${status} ${headers.location ?? ''} ${`${body}`.slice(0, 300)}`
    assert.ok(status < 500, said)
    assert.doesNotMatch(`${body}`, EXECUTED, said)
    assert.doesNotMatch(`${headers['set-cookie']}`, /stolen/, said)
    if (status < 300 || status > 399) return
    const to = `${headers.location}`
    const known =
      to.startsWith('/interaction/') || to.startsWith(`${REDIRECT}?`) || /^\/(?:auth|session\/end)\?/.test(to)
    assert.ok(known, said)
    assert.doesNotMatch(to, /[?&]code=/, said)
  }

  function queryWith(fields: Record<string, string>, name: string, [, pairs]: Hostile): string {
    const { [name]: _, ...rest } = fields
    return `${new URLSearchParams(rest)}&${pairs(name)}`
  }

  test('/auth by GET', async () => {
    for (const name of AUTHORIZATION) {
      for (const hostile of EVERY) {
        const answer = await site.send('GET', `/auth?${queryWith(REQUEST, name, hostile)}`)
        assertHarmless(answer, `${name} ${hostile[0]}`)
      }
    }
  })

  test('/auth and /session/end by POST: never more than a redirect to the same as GET', async () => {
    for (const [path, fields, names] of [
      ['/auth', REQUEST, AUTHORIZATION],
      ['/session/end', {}, LOGOUT],
    ] as const) {
      for (const name of names) {
        for (const hostile of MALFORMED) {
          const body = queryWith(fields, name, hostile)
          const answer = await site.send('POST', path, { body, headers: { 'content-type': FORM } })
          assertHarmless(answer, `${name} ${hostile[0]}`)
          if (answer.status !== 303) continue
          assert.ok(answer.headers.location?.startsWith(`${path}?`))
          assertHarmless(await site.send('GET', `${answer.headers.location}`), `${name} ${hostile[0]}, followed`)
        }
      }
      const [, large] = MEGABYTE
      const answer = await site.send('POST', path, { body: large('state'), headers: { 'content-type': FORM } })
      assert.equal(answer.status, 413)
    }
  })

  test('/session/end by GET, and its confirmation without a session', async () => {
    for (const hostile of EVERY) {
      for (const name of LOGOUT) {
        const answer = await site.send('GET', `/session/end?${queryWith({}, name, hostile)}`)
        assertHarmless(answer, `${name} ${hostile[0]}`)
      }
      for (const name of ['xsrf', 'logout']) {
        const body = queryWith({ xsrf: 'x', logout: 'yes' }, name, hostile)
        const answer = await site.send('POST', '/session/end/confirm', { body, headers: { 'content-type': FORM } })
        assertHarmless(answer, `${name} ${hostile[0]}`)
        assert.ok(answer.status >= 400)
      }
    }
  })

  for (const [path, fields, more] of BACK_CHANNEL) {
    test(`${path} ${fields.grant_type ?? ''}: nothing is given to anybody`, async () => {
      for (const name of [...Object.keys(fields), ...more]) {
        for (const hostile of [...EVERY, MEGABYTE]) {
          const body = queryWith(fields, name, hostile)
          const answer = await site.send('POST', path, { body, headers: { 'content-type': FORM } })
          assertHarmless(answer, `${name} ${hostile[0]}`)
          assert.doesNotMatch(`${answer.body}`, /"(?:access_token|refresh_token|id_token)"|"active":true/)
          assert.equal(answer.headers['set-cookie'], undefined)
        }
      }
    })
  }

  test('credentials of a client in a header of any shape', async () => {
    const basic = (text: string): string => `Basic ${Buffer.from(text, 'latin1').toString('base64')}`
    const { client_id: id, client_secret: secret } = CREDENTIALS
    const headers = [
      ...['Basic', 'Basic ', 'Basic !!!!', basic(''), basic(':'), basic(id), basic(`${id}:`), basic(`:${secret}`)],
      ...[basic(`${id}:%00`), basic(`${id}:%`), basic(`${id}:%ff`), basic(`%ff%fe:${secret}`), basic(`\0:${secret}`)],
      ...[basic(`__proto__:x`), basic(`constructor:x`), basic(`${id}:${'x'.repeat(8000)}`), basic(`${id}\0:${secret}`)],
      ...['Bearer', 'Bearer ', 'Bearer \t', `Bearer ${'x'.repeat(8000)}`, 'DPoP x', 'Digest x', '', 'null'],
    ]
    for (const authorization of headers) {
      for (const path of ['/token', '/token/introspection', '/token/revocation', '/request', '/me']) {
        const { client_id: _, client_secret: __, ...rest } = { ...TOKEN, token: 'x', ...REQUEST }
        const given = { authorization, 'content-type': FORM }
        const answer = await site.send('POST', path, { headers: given, body: `${new URLSearchParams(rest)}` })
        assert.ok(
          answer.status === 400 || answer.status === 401,
          `${authorization.slice(0, 60)} ${path}: ${answer.status}`,
        )
      }
    }
  })

  test('userinfo: a token of any shape, in the header, the body or the address', async () => {
    for (const hostile of EVERY) {
      const [name, pairs] = hostile
      const body = pairs('access_token')
      const posted = await site.send('POST', '/me', { body, headers: { 'content-type': FORM } })
      const asked = await site.send('GET', `/me?${body}`)
      for (const answer of [posted, asked]) assert.ok([400, 401].includes(answer.status), `${name}: ${answer.status}`)
    }
  })

  test('bodies of other kinds, and none', async () => {
    const bodies: [string, string][] = [
      ['application/json', JSON.stringify({ ...TOKEN, ...REQUEST, token: 'x' })],
      ['application/json', '{"__proto__":{"grant_type":"client_credentials"}}'],
      ['application/json', '{'],
      ['multipart/form-data; boundary=x', '--x\r\nContent-Disposition: form-data; name="grant_type"\r\n\r\nx\r\n--x--'],
      ['text/xml', '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>'],
      [`${FORM}; charset=utf-16`, 'grant_type=client_credentials'],
      [`${FORM}; charset=nonsense`, 'grant_type=client_credentials'],
      ['nonsense', 'x'],
      ['', ''],
    ]
    for (const path of [...PATHS, '/token/introspection', '/token/revocation', '/request']) {
      for (const [type, body] of bodies) {
        const headers: Record<string, string> = type === '' ? {} : { 'content-type': type }
        const answer = await site.send('POST', path, { body, headers })
        assertHarmless(answer, `${path} ${type}`)
        assert.ok(answer.status >= 300, `${path} ${type}: ${answer.status}`)
      }
    }
  })

  test('methods that mean nothing here are 405, and HEAD is as harmless as GET', async () => {
    for (const path of [...PATHS, '/.well-known/openid-configuration', '/livez', '/readyz', '/assets/x', '/nowhere']) {
      for (const method of ['PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'QUERY']) {
        assert.equal((await site.send(method, path)).status, 405, `${method} ${path}`)
      }
      for (const method of ['HEAD', 'OPTIONS', 'GET', 'POST']) {
        const { status, body } = await site.send(method, path)
        assert.ok(status < 500, `${method} ${path}: ${status}`)
        if (method === 'HEAD') assert.equal(body.length, 0)
      }
    }
  })

  test('addresses that are too long, and ones with 200 parameters', async () => {
    for (const path of [...PATHS, '/interaction/x', '/assets/x', '/nowhere']) {
      const long = await site.send('GET', `${path}?x=${'a'.repeat(16_384)}`)
      assert.ok([414, 431].includes(long.status), `${path}: ${long.status}`)
      const many = Array.from({ length: 200 }, (_, index) => `x${index}=1`).join('&')
      assertHarmless(await site.send('GET', `${path}?${many}`), path)
      assertHarmless(await site.send('GET', `${path}?${'client_id=a&'.repeat(200)}`), path)
    }
  })

  test('what is no HTTP is cut off with 400, and takes nothing else down', async () => {
    const host = `Host: 127.0.0.1:${site.port}\r\n`
    const lines = [
      'GET\r\n\r\n',
      `GET /\0 HTTP/1.1\r\n${host}\r\n`,
      `GET / HTTP/9.9\r\n${host}\r\n`,
      `GET /auth HTTP/1.1\r\n\r\n`,
      `GET /auth HTTP/1.1\r\n${host}${host}\r\n`,
      `GET /auth HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`,
      `GET /auth HTTP/1.1\r\n${host}X : a\r\n\r\n`,
      `GET /auth HTTP/1.1\r\n${host}X: a\r\n folded\r\n\r\n`,
      `POST /token HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n`,
      `POST /token HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd`,
      `POST /token HTTP/1.1\r\n${host}Content-Length: -1\r\n\r\n`,
      `POST /token HTTP/1.1\r\n${host}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`,
      `CONNECT evil.example:443 HTTP/1.1\r\n${host}\r\n`,
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    ]
    for (const line of lines) {
      const answer = await talk(site.port, line)
      assert.match(answer, /^(?:HTTP\/1\.1 (?:400|405|421|505) |$)/, `${JSON.stringify(line)}: ${answer.slice(0, 80)}`)
    }
    const upgrade = `GET /auth HTTP/1.1\r\n${host}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n`
    assert.doesNotMatch(await talk(site.port, upgrade), /^HTTP\/1\.1 (?:101|5)/)
  })

  test('after all of it a sign-in works, its code is good, and nothing was our fault', async () => {
    const { end } = await somebodySignedIn(site)
    const body = new URLSearchParams({ ...TOKEN, code: codeIn(end) })
    const answer = await site.send('POST', '/token', { body: `${body}`, headers: { 'content-type': FORM } })
    assert.equal(answer.status, 200, `${answer.body}`)
    assert.equal((await site.events('login.ok')).length, 1)
    assert.deepEqual(site.faults, [])
    assert.equal(site.gateway.installation.trail.dropped, 0)
  })
})

/** What the server says to these bytes before it hangs up, or within a quarter of a second. */
function talk(port: number, bytes: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let heard = ''
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('data', (part) => {
    heard += part.toString('latin1')
  })
  socket.on('error', () => resolve(heard))
  socket.on('close', () => resolve(heard))
  socket.setTimeout(250, () => socket.destroy())
  socket.write(Buffer.from(bytes, 'latin1'))
  return promise
}
