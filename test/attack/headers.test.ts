import assert from 'node:assert/strict'
import type { IncomingHttpHeaders } from 'node:http'
import { describe, test } from 'node:test'
import { CLIENT } from '../harness/gateway.ts'
import { type Browser, createBrowser } from '../harness/http-client.ts'
import {
  assertPage,
  CREDENTIALS,
  codeIn,
  FORM,
  onServers,
  REDIRECT,
  requestOf,
  somebodyAsked,
  type TestSite,
  VERIFIER,
} from './site.ts'

/**
 * A sign-in page in somebody's frame is clicked without being seen; a script of somebody else in it reads what is
 * typed; a cookie without its attributes goes to subdomains, scripts and plain text. One forgotten error page or
 * redirect is enough, so every response is asked for its headers (WE-5, WE-6, WE-7) and every cookie for its attributes
 * (SE-6, SE-7).
 */

const HTTPS = 'https://id.example.test'
const LOGO = 'data:'

type Form = 'anywhere' | 'here'

/**
 * `form-action` would stop the way back to the relying party on pages of the flow, and only there is it left out (g).
 */
function assertProtected(
  headers: IncomingHttpHeaders,
  what: string,
  { forms, secure }: { forms: Form; secure: boolean },
) {
  const policy = new Map(
    `${headers['content-security-policy']}`.split(/;\s*/).map((directive) => {
      const [name = '', ...values] = directive.split(' ')
      return [name, values.join(' ')]
    }),
  )
  assert.equal(policy.get('default-src'), "'none'", what)
  assert.equal(policy.get('frame-ancestors'), "'none'", what)
  assert.equal(policy.get('base-uri'), "'none'", what)
  assert.equal(policy.get('object-src'), "'none'", what)
  assert.equal(policy.get('img-src'), `'self' ${LOGO}`, what)
  assert.match(`${policy.get('script-src')}`, /^'self'(?: 'sha256-[\w+/=]+')?$/, what)
  assert.equal(policy.get('style-src'), "'self'", what)
  assert.equal(policy.get('form-action'), forms === 'here' ? "'self'" : undefined, what)
  assert.equal(headers['x-frame-options'], 'DENY', what)
  assert.equal(headers['x-content-type-options'], 'nosniff', what)
  assert.equal(headers['referrer-policy'], 'same-origin', what)
  assert.equal(headers['cross-origin-opener-policy'], 'same-origin', what)
  const hsts = headers['strict-transport-security']
  if (!secure) assert.equal(hsts, undefined, what)
  else assert.match(`${hsts}`, /^max-age=(?:3153[6-9]|31[6-9]|3[2-9]|[4-9])\d+; includeSubDomains$/, what)
  // What runs here is nobody's business (WE-12).
  for (const name of ['server', 'x-powered-by', 'via']) assert.equal(headers[name], undefined, what)
  const type = headers['content-type']
  if (/^text\/|javascript/.test(`${type}`)) assert.match(`${type}`, /charset=utf-8/i, what)
}

interface Heard {
  what: string
  headers: IncomingHttpHeaders
  forms: Form
  /** Whether it may lie in no cache. */
  secret: boolean
}

/** A whole life of a browser, one answer at a time. */
async function everything(site: TestSite, browser: Browser): Promise<Heard[]> {
  const heard: Heard[] = []
  const { issuer } = site
  const hear = (
    what: string,
    headers: IncomingHttpHeaders,
    { forms = 'anywhere', secret = true }: Partial<Heard> = {},
  ) => heard.push({ what, headers, forms, secret })
  const stop = { redirects: 'stop' } as const

  const asked = await browser.get(requestOf(issuer), stop)
  hear('the redirect to the pages', asked.headers)
  const login = await browser.get(`${asked.location}`)
  hear('login', login.headers)
  const person = await site.person()
  hear('a wrong password', (await browser.submit(login, { username: 'nobody', password: 'wrong' })).headers)
  hear('a form of nobody', (await browser.post(login.url, { csrf: 'x' })).headers, { forms: 'here' })
  hear('a method', (await browser.send('OPTIONS', login.url, undefined)).headers, { forms: 'here' })
  const entered = await browser.submit(login, { username: person.username, password: person.password }, stop)
  hear('the redirect to the next page', entered.headers)
  const bind = assertPage(await browser.get(`${entered.location}`), 'bind-totp')
  hear('bind-totp', bind.headers)
  hear('a wrong code', (await browser.submit(bind, { code: '00000' })).headers)
  const code = site.appCode(bind.text('[data-secret]'))
  const bound = await browser.submit(bind, { code, remember: 'on' }, stop)
  hear('the redirect to the engine', bound.headers)
  const end = await browser.get(`${bound.location}`)
  hear('the redirect to the relying party', end.headers)
  hear('a page that is over', (await browser.get(login.url)).headers, { forms: 'here' })

  const post = (path: string, fields: Record<string, string>) =>
    site.send('POST', path, { body: `${new URLSearchParams(fields)}`, headers: { 'content-type': FORM } })
  const redeem = { ...CREDENTIALS, grant_type: 'authorization_code', redirect_uri: REDIRECT, code_verifier: VERIFIER }
  const tokens = await post('/token', { ...redeem, code: codeIn(end) })
  assert.equal(tokens.status, 200)
  hear('tokens', tokens.headers)
  const { access_token, id_token } = JSON.parse(`${tokens.body}`)
  hear('no tokens', (await post('/token', { ...redeem, code: 'x' })).headers)
  hear('a wrong secret', (await post('/token', { ...redeem, client_secret: 'x' })).headers)
  const authorization = `Bearer ${access_token}`
  hear('userinfo', (await site.send('GET', '/me', { headers: { authorization } })).headers)
  hear('userinfo for nobody', (await site.send('GET', '/me')).headers)
  hear('introspection', (await post('/token/introspection', { ...CREDENTIALS, token: access_token })).headers)
  hear('revocation', (await post('/token/revocation', { ...CREDENTIALS, token: access_token })).headers, {
    secret: false,
  })

  const open = { secret: false } as const
  hear('discovery', (await site.send('GET', '/.well-known/openid-configuration')).headers, open)
  hear('keys', (await site.send('GET', '/jwks')).headers, open)
  hear('not found', (await browser.get(`${issuer}/nowhere`)).headers, { forms: 'here' })
  for (const asset of login.body.match(/\/assets\/[\w.-]+/g) ?? []) {
    hear(asset, (await browser.get(`${issuer}${asset}`)).headers, open)
  }
  hear('/livez', (await site.send('GET', '/livez')).headers)
  hear('/readyz', (await site.send('GET', '/readyz')).headers)
  hear('405', (await site.send('PUT', '/auth')).headers, open)
  const long = await site.send('GET', `/${'x'.repeat(16_400)}`)
  assert.equal(long.status, 414)
  hear('414', long.headers, open)
  hear('421', (await site.send('GET', '/auth', { headers: { host: 'evil.example' } })).headers, open)
  hear('a post that becomes a get', (await post('/auth', {})).headers, open)
  hear('a protocol error', (await browser.get(`${issuer}/auth?client_id=x`)).headers, { forms: 'here' })
  const denied = await browser.get(requestOf(issuer, { prompt: 'none', max_age: '0' }), stop)
  hear('an error for the relying party', denied.headers)
  const posted = await browser.get(requestOf(issuer, { response_mode: 'form_post' }))
  assert.match(posted.body, new RegExp(`action="${REDIRECT}"`))
  assert.match(`${posted.headers['content-security-policy']}`, /script-src 'self' 'sha256-/)
  hear('form_post', posted.headers)
  const third = await browser.get(requestOf(issuer, { client_id: 'third' }))
  hear('consent', assertPage(third, 'consent').headers)
  const leaving = await browser.get(`${issuer}/session/end?id_token_hint=${id_token}`)
  hear('logout', assertPage(leaving, 'logout').headers)
  const left = await browser.submit(leaving, { logout: 'yes' }, stop)
  hear('the redirect after logout', left.headers)
  const over = await browser.get(`${left.location}`)
  hear('signed out', assertPage(over, 'signed-out').headers, { forms: 'here' })
  assert.match(`${over.headers['clear-site-data']}`, /"cache"/)
  return heard
}

interface Kept {
  key: string
  value: string
  httpOnly: boolean
  secure: boolean
  sameSite: string
  path: string
  hostOnly: boolean
  expires: string | undefined
}

async function kept(browser: Browser): Promise<Kept[]> {
  const { cookies } = await browser.jar.serialize()
  return cookies as unknown as Kept[]
}

function assertCookie({ key, value, httpOnly, secure, sameSite, hostOnly, path, expires }: Kept, https: boolean): void {
  assert.equal(httpOnly, true, key)
  assert.equal(sameSite, 'lax', key)
  assert.equal(hostOnly, true, key)
  assert.equal(secure ?? false, https, key)
  assert.match(key, https ? (path === '/' ? /^__Host-/ : /^__Secure-/) : /^stepgate-/)
  assert.ok(key.length + value.length < 4096, key)
  // The session's and the browser's end with the browser (SE-7); the interaction's live as long as it does.
  if (/-(?:session|browser)/.test(key)) assert.equal(expires, undefined, key)
  if (expires === undefined) return
  const left = Date.parse(expires) - Date.now()
  assert.ok(left < (/-(?:known|device)-/.test(key) ? 91 * 86_400_000 : 905_000), `${key}: ${expires}`)
}

onServers('headers', (testSite) => {
  const config = {
    // Without it node itself, which knows no headers of ours, refuses what is too long.
    limits: { headerBytes: 32_768 },
    clients: [
      CLIENT,
      { ...CLIENT, client_id: 'third', client_secret: 'Zr8mQ1wXc5Tn7Kv2Lb9Ye4Hs6Gd3Jf0U', firstParty: false },
    ],
  }
  const plain = testSite({ config })
  const secure = testSite({ config, issuer: HTTPS, trusted: ['127.0.0.1'] })
  const proxied = (): Browser => createBrowser({ origin: HTTPS, proxy: { port: secure.port, client: '203.0.113.7' } })

  for (const [name, site, browser] of [
    ['http on loopback', plain, () => plain.browser()],
    ['https behind a proxy', secure, proxied],
  ] as const) {
    describe(name, () => {
      test('every response, the engine’s pages too (X9), has the headers that keep it out of frames, caches and other types', async () => {
        for (const { what, headers, forms, secret } of await everything(site, browser())) {
          assertProtected(headers, what, { forms, secure: site.issuer === HTTPS })
          if (secret) assert.match(`${headers['cache-control']}`, /no-store/, what)
        }
        assert.deepEqual(site.faults, [])
      })

      test('cookies: HttpOnly, SameSite=Lax, of this host alone, small, and gone with the browser', async () => {
        const one = browser()
        const login = await one.get(requestOf(site.issuer))
        const during = await kept(one)
        const person = await site.person()
        const bind = await one.submit(login, { username: person.username, password: person.password })
        const end = await one.submit(bind, { code: site.appCode(bind.text('[data-secret]')), remember: 'on' })
        codeIn(end)
        const afterwards = await kept(one)
        const is = site.issuer === HTTPS
        const names = (cookies: Kept[]): string[] =>
          cookies.map(({ key }) => key.replace(/-[A-Za-z0-9]{10}(?=\.sig$|$)/, ''))
        const [host, bound] = is ? ['__Host-', '__Secure-'] : ['', '']
        assert.ok(names(during).includes(`${bound}stepgate-interaction`), `${names(during)}`)
        assert.ok(names(during).includes(`${host}stepgate-browser`), `${names(during)}`)
        for (const kind of ['session', 'known', 'device']) {
          assert.ok(names(afterwards).includes(`${host}stepgate-${kind}`), `${names(afterwards)}`)
        }
        for (const cookie of [...during, ...afterwards]) assertCookie(cookie, is)
      })
    })
  }

  test('HEAD says what GET says, without a body', async () => {
    for (const path of ['/auth?client_id=x', '/nowhere', '/.well-known/openid-configuration', '/livez']) {
      const { status, headers, body } = await plain.send('HEAD', path)
      assert.equal(status, (await plain.send('GET', path)).status)
      assert.equal(body.length, 0)
      assert.equal(headers['x-frame-options'], 'DENY', path)
    }
  })

  test('no page asks the browser to fetch anything from elsewhere (WE-14)', async () => {
    const browser = plain.browser()
    const { page } = await somebodyAsked(plain, { browser })
    for (const { attributes } of page.findAll('script, link, img, iframe, source')) {
      const target = attributes.src ?? attributes.href
      if (target !== undefined) assert.match(target, /^\/assets\/|^data:image\//)
    }
    // The policy would stop them; there are none.
    assert.doesNotMatch(page.body, /\son\w+=|style=|javascript:/i)
  })
})
