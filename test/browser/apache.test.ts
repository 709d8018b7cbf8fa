import assert from 'node:assert/strict'
import dns from 'node:dns'
import { after, before, test } from 'node:test'
import type { Page } from 'playwright-core'
import { exchange } from '../harness/exchange.ts'
import type { Person } from '../harness/gateway.ts'
import { onKinds, type StoresKind } from '../harness/stores.ts'
import {
  type ApacheSite,
  answered,
  at,
  bindApp,
  claimsOf,
  eventsOf,
  logIn,
  nextCode,
  send,
  startApacheSite,
} from './apache-site.ts'

/** Of Apache's certificate. */
const NAME = 'app.localhost'
const MFA = 'urn:stepgate:acr:mfa'
const HSTS = /^max-age=(\d+); includeSubDomains$/
const YEAR = 31_536_000

const PROGRAMS = ['chromium-headless-shell', 'apache2', 'mod_auth_openidc.so'] as const

onKinds(['servers', 'embedded'], 'behind Apache, for its mod_auth_openidc', behindApache, {
  programs: (kind) => (kind === 'servers' ? [...PROGRAMS, 'redis-server', 'postgres'] : PROGRAMS),
})

function behindApache(kind: StoresKind): void {
  let site: ApacheSite
  before(async () => {
    site = await startApacheSite(kind)
  })
  after(() => site?.stop())

  /** Opens a page of Apache's relying party; answers the status it came with. */
  async function open(page: Page, path: '/any/' | '/mfa/' | '/step-up/'): Promise<number | undefined> {
    return (await page.goto(`${site.apache.rpUrl}${path}`))?.status()
  }

  async function arrived(page: Page, name: 'any' | 'mfa' | 'step-up'): Promise<Record<string, string>> {
    await at(page, name)
    return claimsOf(page)
  }

  /** Somebody with an app, who has just signed in. */
  async function member(options: { javaScript?: 'on' | 'off' } = {}) {
    const who = await site.gateway.person({ groups: ['staff'] })
    const { page, ...rest } = await site.visit(options)
    await open(page, '/any/')
    await logIn(page, who)
    const secret = await bindApp(site, page)
    await arrived(page, 'any')
    return { who, secret, page, ...rest }
  }

  test('a first sign-in binds the app, a second one asks for its code, and `Require claim` lets in by acr', async () => {
    const { who, secret, page, requests } = await member()
    const claims = await claimsOf(page)
    assert.deepEqual([claims.iss, claims.sub, claims.acr, claims.amr], [site.apache.issuer, who.id, MFA, 'pwd,otp,mfa'])
    assert.deepEqual([claims.email, claims.preferred_username, claims.groups], [who.email, who.username, 'staff'])
    assert.match(`${claims.sid}`, /^[\w-]{20,}$/)
    assert.equal(await open(page, '/mfa/'), 200)
    assert.equal((await arrived(page, 'mfa')).acr, MFA)

    const second = await site.visit()
    await open(second.page, '/mfa/')
    await logIn(second.page, who)
    await at(second.page, 'verify-totp')
    await send(second.page, nextCode(site, secret))
    const { sub, acr, sid } = await arrived(second.page, 'mfa')
    assert.deepEqual([sub, acr], [who.id, MFA])
    assert.notEqual(sid, claims.sid, 'each session has its own name')

    for (const { searchParams } of [...requests, ...second.requests]) {
      assert.equal(searchParams.get('code_challenge_method'), 'S256')
      assert.match(`${searchParams.get('code_challenge')}`, /^[\w-]{43}$/)
    }
    assert.equal(requests.length, 1, 'one sign-in is one request')
    assert.match(site.apache.logs(), /signature verification with algorithm "RS256" was successful/)
  })

  for (const { group, before: low, name } of [
    { group: 'plain', before: 'urn:stepgate:acr:pwd', name: 'a password alone' },
    { group: 'mails', before: 'urn:stepgate:acr:2sv', name: 'a code by mail' },
  ]) {
    test(`${name} opens what any user may see, not what wants mfa; a step-up does`, async () => {
      const who = await site.gateway.person({ groups: [group] })
      const { page, requests } = await site.visit()
      await open(page, '/any/')
      await logIn(page, who)
      if (group === 'mails') {
        await answered(page, () => page.locator('button[value=email]').click())
        await send(page, site.smtp.codeFor(`${who.email}`))
      }
      const { acr } = await arrived(page, 'any')
      assert.equal(acr, low)
      assert.equal(await open(page, '/mfa/'), 403)

      // mod_auth_openidc leads on by a page that refreshes itself.
      await Promise.all([page.waitForURL(`${site.apache.issuer}/interaction/**`), open(page, '/step-up/')])
      assert.equal(requests.at(-1)?.searchParams.get('acr_values'), MFA)
      await bindApp(site, page)
      const raised = await arrived(page, 'step-up')
      assert.deepEqual([raised.sub, raised.acr], [who.id, MFA])
      assert.equal(await open(page, '/mfa/'), 200)
    })
  }

  test('Chromium holds only __Host- and __Secure- cookies, takes all of them, and gets HSTS with every page', async () => {
    const who = await site.gateway.person()
    const { page, cookies, offered, answers } = await site.visit()
    await open(page, '/any/')
    const early = await cookies()
    await logIn(page, who)
    await page.locator('[name=remember]').check()
    await bindApp(site, page)
    await arrived(page, 'any')
    const held = [...early, ...(await cookies())]
    for (const { name, secure, httpOnly, path } of held) {
      assert.match(name, /^__(Host|Secure)-stepgate-/)
      assert.deepEqual([secure, httpOnly], [true, true], name)
      if (path === '/') assert.match(name, /^__Host-/)
    }
    const kinds = new Set(held.map(({ name }) => /stepgate-([a-z]+)/.exec(name)?.[1]))
    assert.deepEqual([...kinds].sort(), ['browser', 'device', 'interaction', 'known', 'resume', 'session'])
    const names = new Set(held.map(({ name }) => name))
    for (const cookie of await offered()) {
      assert.ok(names.has(cookie.split('=')[0] ?? ''), `Chromium refused ${cookie}`)
      assert.match(cookie, /; samesite=lax; secure; httponly$/)
      assert.doesNotMatch(cookie, /; domain=/i)
    }
    const seen = await answers()
    assert.ok(seen.length > 5, 'pages were seen')
    for (const { what, hsts } of seen) {
      assert.ok(Number(HSTS.exec(hsts ?? '')?.[1]) >= YEAR, `${what}: HSTS ${hsts}`)
    }
  })

  test('discovery names https addresses of the issuer alone; what no browser asks for has HSTS too', async () => {
    const { issuer, ca } = site.apache
    const { body, status } = await exchange({ url: `${issuer}/.well-known/openid-configuration`, ca })
    assert.equal(status, 200)
    const metadata: Record<string, unknown> = JSON.parse(body.toString('utf8'))
    assert.equal(metadata.issuer, issuer)
    const addresses = Object.entries(metadata).filter(([, value]) => /^[a-z]+:\/\//.test(`${value}`))
    assert.ok(addresses.length >= 8, addresses.join('\n'))
    for (const [name, value] of addresses) {
      assert.ok(value === issuer || `${value}`.startsWith(`${issuer}/`), `${name}: ${value}`)
    }
    for (const path of ['/.well-known/openid-configuration', '/jwks', '/nothing', '/token', '/interaction/x']) {
      const { headers } = await exchange({ url: `${issuer}${path}`, ca })
      assert.match(`${headers['strict-transport-security']}`, HSTS, path)
    }
  })

  test('without scripts, signing out at Apache is one click', async () => {
    const { page } = await member({ javaScript: 'off' })
    await page.goto(site.apache.logoutUrl)
    await at(page, 'logout')
    await answered(page, () => page.locator('button[name=logout]').click())
    assert.equal(page.url(), site.apache.signedOutUrl)
    await open(page, '/any/')
    await at(page, 'login')
  })

  test('signing out asks nothing, comes back to where it began, and ends the sessions at the gateway and the other one, both ways', async () => {
    const { who, secret, page } = await member()
    const { apache } = site
    const other = site.party()
    const sid = await claimsAtOther(page)
    await page.goto(`${other.url}/logout`)
    await page.waitForURL(other.postLogoutRedirectUri)
    await open(page, '/any/')
    await at(page, 'login')

    await logIn(page, who)
    await send(page, nextCode(site, secret))
    await arrived(page, 'any')
    const next = await claimsAtOther(page)
    assert.notEqual(next, sid)
    await page.goto(apache.logoutUrl)
    await page.waitForURL(apache.signedOutUrl)
    await at(page, 'signed-out-of-rp')
    await open(page, '/any/')
    await at(page, 'login')
    await page.goto(other.url)
    assert.equal(await page.locator('h1').textContent(), 'Signed out')
    const told = other.logouts.filter(({ sub }) => sub === who.id).map((logout) => logout.sid)
    assert.deepEqual(told, [sid, next])
    assert.deepEqual(other.refusedLogouts, [])
  })

  /** By the session that is there; answers the `sid` of the other relying party's ID token. */
  async function claimsAtOther(page: Page): Promise<unknown> {
    await page.goto(`${site.party().url}/login`)
    assert.equal(page.url(), `${site.party().url}/`)
    return JSON.parse(`${await page.locator('#claims').textContent()}`).sid
  }

  test('an internal address behind a name is called only where outbound.allowHosts has the name (SS-2); signing out works all the same', async (t) => {
    const { apache, gateway } = site
    const other = site.party()
    // Where the resolver does not know it, and with the answer an attacker's name server could give.
    const { lookup } = dns
    const answer = (host: string, ...rest: unknown[]): unknown =>
      Reflect.apply(lookup, dns, [host === NAME ? '127.0.0.1' : host, ...rest])
    t.mock.method(dns, 'lookup', answer as typeof lookup)
    const uri = `${apache.client.backchannel_logout_uri}`.replace('127.0.0.1', NAME)
    const clients = [{ ...apache.client, backchannel_logout_uri: uri }, other.client]
    await gateway.restart({ clients })
    const { who, secret, page } = await member()

    const sid = await claimsAtOther(page)
    await page.goto(`${other.url}/logout`)
    await page.waitForURL(other.postLogoutRedirectUri)
    assert.ok(
      other.logouts.some((logout) => logout.sid === sid),
      'one that cannot be told keeps nobody else from it',
    )
    await page.goto(`${other.url}/login`)
    await at(page, 'login')
    await open(page, '/any/')
    assert.equal((await arrived(page, 'any')).sub, who.id, 'Apache was not told')

    // What is tried again is waited for at the end of a gateway.
    await gateway.restart({ outbound: { allowHosts: ['127.0.0.1', NAME] } })
    const untold = ['backchannel.fail apache', 'backchannel.ok other', 'logout']
    assert.deepEqual(await outcomes(who), untold)
    await page.context().clearCookies()
    await open(page, '/any/')
    await logIn(page, who)
    await send(page, nextCode(site, secret))
    await arrived(page, 'any')
    await claimsAtOther(page)
    await page.goto(`${other.url}/logout`)
    await page.waitForURL(other.postLogoutRedirectUri)
    const told = ['backchannel.ok apache', 'backchannel.ok other', 'logout']
    assert.deepEqual(await outcomes(who), [...untold, ...told].sort())
    await open(page, '/any/')
    await at(page, 'login')
  })

  /** What came of signing out; several are told at the same time, so the order says nothing. */
  async function outcomes({ id }: Person): Promise<string[]> {
    const events = (await eventsOf(site, id)).filter(({ event }) => /^(backchannel|logout)/.test(event))
    return events.map(({ event, client }) => `${event} ${client ?? ''}`.trim()).sort()
  }
}
