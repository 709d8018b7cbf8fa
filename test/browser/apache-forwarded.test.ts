import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { AuditEventName } from '../../src/audit/audit.ts'
import { MINUTE } from '../../src/kernel/clock.ts'
import { type Answer, exchange } from '../harness/exchange.ts'
import { createBrowser } from '../harness/http-client.ts'
import { needs } from '../harness/needs.ts'
import {
  type ApacheSite,
  at,
  bindApp,
  eventsOf,
  getFrom,
  logIn,
  OFFICE,
  PROXY,
  startApacheSite,
} from './apache-site.ts'

/**
 * A forged address would lift limits, meet rules for networks and blacken others in the audit log; a forged host would
 * send users, and the links in their mails, elsewhere. Apache, at an address of its own, is trusted; whoever talks to
 * the gateway directly is not.
 */
const EVIL = 'evil.example'
const FORGED = {
  'x-forwarded-for': OFFICE,
  'x-forwarded-host': EVIL,
  'x-forwarded-proto': 'http',
  'x-forwarded-port': '1',
  'x-real-ip': OFFICE,
  forwarded: `for=${OFFICE};host=${EVIL};proto=http`,
}
const BEGUN = 40

describe('forged X-Forwarded-*', { skip: needs('chromium-headless-shell', 'apache2', 'mod_auth_openidc.so') }, () => {
  let site: ApacheSite
  before(async () => {
    site = await startApacheSite('embedded', { limits: { interactionsPerAddress: BEGUN } })
  })
  after(() => site?.stop())

  type Headers = Record<string, string>
  const viaApache = (path: string, headers: Headers = {}): Promise<Answer> =>
    exchange({ url: `${site.apache.issuer}${path}`, ca: site.apache.ca, headers })
  /** To the gateway itself, from 127.0.0.1. */
  const direct = (path: string, headers: Headers = {}): Promise<Answer> =>
    exchange({ url: `${site.apache.issuer}${path}`, connect: { port: site.port }, headers })

  const DISCOVERY = '/.well-known/openid-configuration'
  const authorization = async (): Promise<string> => {
    const { pathname, search } = await site.party().authorize()
    return `${pathname}${search}`
  }

  /** The addresses that the audit log has for these events, oldest first. */
  async function addressesOf(name: AuditEventName): Promise<(string | undefined)[]> {
    await site.gateway.installation.trail.flush()
    const events = await site.gateway.installation.audit.list({})
    return events.filter(({ event }) => event === name).map(({ ip }) => ip)
  }

  /** What of an answer can differ by who asked. */
  function shape({ status, headers, body }: Answer): unknown {
    const cookies = headers['set-cookie']?.map((cookie) =>
      cookie.replaceAll(/=[\w-]{40,}|\/[\w-]{40,}|expires=[^;]+/g, ''),
    )
    const location = headers.location?.replace(/[\w-]{40,}/, '')
    const { 'strict-transport-security': hsts, 'content-security-policy': csp } = headers
    return { status, location, cookies, hsts, csp, body: `${body}`.replaceAll(/[\w-]{40,}/g, '') }
  }

  test('a browser that claims to sit in the office is asked for its app, and its real address is in the audit log', async () => {
    const { gateway, apache } = site
    const who = await gateway.person()
    const { page } = await site.visit({ headers: FORGED })
    await page.goto(`${apache.rpUrl}/any/`)
    await logIn(page, who)
    await bindApp(site, page)
    await at(page, 'any')
    const { origin } = new URL(apache.rpUrl)
    assert.equal(new URL(page.url()).origin, origin)
    // Nobody asked for these: an administrator made the account, and the outbox sends its letters when it comes to it.
    const unasked = ['user.created', 'mail.sent']
    const events = (await eventsOf(site, who.id)).filter(({ event }) => !unasked.includes(event))
    assert.ok(events.length >= 4)
    for (const { event, ip } of events) assert.equal(ip, '127.0.0.1', event)
  })

  test('somebody who plays the proxy from another address is not believed', async () => {
    const { gateway, apache, port } = site
    const who = await gateway.person()
    const browser = createBrowser({ origin: apache.issuer, proxy: { port, client: OFFICE } })
    const login = await browser.get(await site.party().authorize())
    const wrong = await browser.submit(login, { username: who.username, password: 'not the password' })
    assert.equal(wrong.error, 'credentials')
    const next = await browser.submit(wrong, { username: who.username, password: who.password })
    assert.equal(next.page, 'bind-totp', 'the rule for the office is not met')
    assert.deepEqual(await addressesOf('login.fail'), ['127.0.0.1'])
  })

  test('answers are the same to the last header, with forged headers and without, directly and through Apache', async () => {
    for (const path of [DISCOVERY, '/jwks', '/nothing', await authorization()]) {
      const plain = shape(await viaApache(path))
      assert.deepEqual(shape(await viaApache(path, FORGED)), plain, `${path} through Apache`)
      assert.deepEqual(shape(await direct(path, FORGED)), plain, `${path} directly`)
      assert.doesNotMatch(JSON.stringify(plain), /evil\.example|http:\/\/localhost/)
    }
  })

  test('another host is refused whatever X-Forwarded-Host says, and the peer is who is written down', async () => {
    const { host } = new URL(site.apache.issuer)
    site.gateway.clock.advance(MINUTE)
    const before = (await addressesOf('host.rejected')).length
    const forged = { ...FORGED, host: EVIL, 'x-forwarded-host': host }
    assert.equal((await direct(DISCOVERY, forged)).status, 421)
    // The log keeps the first refusal of a network and minute.
    site.gateway.clock.advance(MINUTE)
    assert.equal((await viaApache(DISCOVERY, { host: EVIL })).status, 421)
    site.gateway.clock.advance(MINUTE)
    assert.equal((await viaApache(DISCOVERY, forged)).status, 421, 'the last entry is the one that Apache wrote')
    assert.deepEqual((await addressesOf('host.rejected')).slice(before), ['127.0.0.1', '127.0.0.1', '127.0.0.1'])
  })

  test('of a chain, the right-most address that no trusted proxy has is the client; what is no address is nobody', async () => {
    site.gateway.clock.advance(MINUTE)
    const before = (await addressesOf('host.rejected')).length
    for (const chain of [`${OFFICE}, 203.0.113.9`, `${OFFICE}, 203.0.113.9, ${PROXY}`, 'unknown', '']) {
      const headers = { host: EVIL, 'x-forwarded-for': chain }
      const status = await getFrom(PROXY, { url: `http://127.0.0.1:${site.port}/`, headers })
      assert.equal(status, 421)
      site.gateway.clock.advance(MINUTE)
    }
    const read = ['203.0.113.9', '203.0.113.9', 'unknown', PROXY]
    assert.deepEqual((await addressesOf('host.rejected')).slice(before), read)
  })

  test("a new forged address with every request does not lift the limit; it is nobody else's either", async () => {
    const path = await authorization()
    const forged = (number: number): Headers => ({ 'x-forwarded-for': `203.0.113.${number}` })
    const statuses = []
    for (let number = 0; number <= BEGUN; number++) {
      statuses.push((await (number % 2 === 0 ? direct : viaApache)(path, forged(number))).status)
    }
    assert.equal(statuses[0], 303)
    assert.equal((await direct(path, forged(98))).status, 429)
    assert.equal((await viaApache(path, forged(99))).status, 429)
    const { issuer, ca } = site.apache
    const headers = { host: new URL(issuer).host, ...forged(1) }
    const status = await getFrom('127.0.0.2', { url: `${issuer}${path}`, ca, headers })
    assert.equal(status, 303, 'another address has a count of its own')
  })
})
