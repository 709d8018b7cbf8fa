import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, test } from 'node:test'
import type { AuditRecord } from '../../src/audit/audit.ts'
import type { Answer } from '../harness/exchange.ts'
import { CLIENT } from '../harness/gateway.ts'
import {
  assertPage,
  assertSignedIn,
  type Browser,
  type BrowserResponse,
  CREDENTIALS,
  FORM,
  isSignedIn,
  onStores,
  type Person,
  REDIRECT,
  REQUEST,
  requestOf,
  seen,
  type TestSite,
} from './site.ts'

/**
 * What a second reading of the code found in what strangers can do: limits that another spelling of the same path
 * walked around, rows that anybody could write without end, addresses nobody could read, and a postponement that many
 * tabs shared. Each test is one of them.
 */

/** Of the first gateway. */
const BEGINNINGS = 10
const FAILURES = 3
const NAMES = 5

let addresses = 0
/** One of a network for benchmarks, so that limits by address do not meet. */
const newAddress = (): string => `198.18.0.${++addresses}`

const browserAt = (site: TestSite, address: string): Browser =>
  site.browser({ headers: { 'x-forwarded-for': address } })

onStores(['embedded'], 'a second reading of limits', (testSite) => {
  const site = testSite({
    trusted: ['127.0.0.1'],
    config: {
      limits: {
        interactionsPerAddress: BEGINNINGS,
        clientAuthPerMinute: FAILURES,
        passwordFailuresPerAddress: NAMES,
      },
      clients: [
        CLIENT,
        { client_id: 'public', token_endpoint_auth_method: 'none', redirect_uris: CLIENT.redirect_uris },
      ],
    },
  })

  const from = (address: string): Browser => browserAt(site, address)

  interface Sent {
    method?: string
    fields?: Record<string, string>
    headers?: Record<string, string>
  }
  function send(address: string, path: string, { method = 'POST', fields, headers = {} }: Sent = {}): Promise<Answer> {
    const sent = { 'x-forwarded-for': address, ...(fields && { 'content-type': FORM }), ...headers }
    return site.send(method, path, { headers: sent, ...(fields && { body: `${new URLSearchParams(fields)}` }) })
  }

  /** Asks until it is refused; answers how often it was served. */
  async function servedUntil429(ask: (time: number) => Promise<Answer>, most: number): Promise<number> {
    for (let served = 0; served <= most; served++) {
      const answer = await ask(served)
      if (answer.status !== 429) continue
      assert.ok(Number(answer.headers['retry-after']) > 0)
      assert.equal(answer.headers['set-cookie'], undefined)
      return served
    }
    assert.fail(`still served after ${most}`)
  }

  /** What the state store holds; the keys are hashes. */
  function stateKeys(): string[] {
    const database = new DatabaseSync(join(site.gateway.installation.config.stores.dataDir, 'state.db'), {
      readOnly: true,
    })
    const rows = database.prepare('select key from entries').all()
    database.close()
    return rows.map(({ key }) => `${key}`)
  }

  async function eventsFrom(address: string): Promise<AuditRecord[]> {
    await site.gateway.installation.trail.flush()
    return (await site.gateway.installation.audit.list({})).filter(({ ip }) => ip === address)
  }

  describe('limits by address (RL-9, DO-5)', () => {
    const GRANT = { grant_type: 'authorization_code', code: 'x', redirect_uri: REDIRECT, token: 'x' }
    const WRONG = { ...GRANT, ...CREDENTIALS, client_secret: 'wrong' }
    const SPELT = {
      '/token': ['/TOKEN', '/token/', '/Token/', '/token', '/tokeN'],
      '/token/introspection': ['/TOKEN/INTROSPECTION', '/token/introspection/', '/Token/Introspection/'],
      '/token/revocation': ['/TOKEN/REVOCATION', '/token/revocation/', '/Token/Revocation/'],
      '/request': ['/REQUEST', '/request/', '/Request/', '/request'],
    }

    // The engine's router takes /TOKEN/ for /token. A limit that compares text does not, and guesses at client secrets
    // go on for ever.
    for (const [endpoint, paths] of Object.entries(SPELT)) {
      test(`guesses at client secrets at ${endpoint} are counted however it is spelt`, async () => {
        for (const path of paths) {
          const address = newAddress()
          for (let guess = 0; guess < FAILURES; guess++) {
            assert.equal((await send(address, path, { fields: WRONG })).status, 401, path)
          }
          assert.equal((await send(address, path, { fields: { ...GRANT, ...CREDENTIALS } })).status, 429, path)
        }
        const address = newAddress()
        const served = await servedUntil429(
          (time) => send(address, `${paths[time % paths.length]}`, { fields: WRONG }),
          FAILURES,
        )
        assert.equal(served, FAILURES)
      })
    }

    // The same for beginning sign-ins: each leaves an interaction behind, and /AUTH/ begins them as well as /auth does.
    test('sign-ins are counted however the path is spelt', async () => {
      const query = new URL(requestOf(site.issuer)).search
      for (const paths of [['/AUTH'], ['/auth/'], ['/Auth/'], ['/auth', '/AUTH/', '/aUth', '/auth/']]) {
        const address = newAddress()
        const ask = (time: number) => send(address, `${paths[time % paths.length]}${query}`, { method: 'GET' })
        assert.equal(await servedUntil429(ask, BEGINNINGS), BEGINNINGS, `${paths}`)
      }
    })

    // Coming back from a page without an answer made the engine begin anew: one request, then a chain of interactions
    // that no limit saw.
    test('a resumed request that brings no result begins no other', async () => {
      for (const path of ['/auth', '/AUTH']) {
        const address = newAddress()
        const first = await send(address, `/auth${new URL(requestOf(site.issuer)).search}`, { method: 'GET' })
        const uid = `${first.headers.location}`.split('/').at(-1)
        const cookies = (first.headers['set-cookie'] ?? []).filter((line) => line.includes(`path=/auth/${uid};`))
        const cookie = cookies.map((line) => line.split(';')[0]).join('; ')
        const answer = await send(address, `${path}/${uid}`, { method: 'GET', headers: { cookie } })
        assert.equal(answer.status, 410, path)
        assert.deepEqual([answer.headers.location, answer.headers['set-cookie']], [undefined, undefined])
      }
    })

    test('who has begun too many sign-ins resumes none either', async () => {
      const address = newAddress()
      const ask = () => send(address, `/auth${new URL(requestOf(site.issuer)).search}`, { method: 'GET' })
      await servedUntil429(ask, BEGINNINGS)
      for (const path of ['/auth', '/AUTH']) {
        assert.equal((await send(address, `${path}/0123456789abcdef`, { method: 'GET' })).status, 429, path)
      }
    })

    // To ask a stranger whether to sign out, the engine keeps a session for him. Anybody can ask, with no cookie or
    // with one of his own making.
    test('sign-outs of nobody are bounded', async () => {
      for (const path of ['/session/end', '/SESSION/END', '/Session/End/']) {
        const address = newAddress()
        assert.equal(await servedUntil429(() => send(address, path, { method: 'GET' }), BEGINNINGS), BEGINNINGS, path)
      }
      const address = newAddress()
      const headers = { cookie: 'stepgate-session=made-up; stepgate-session.sig=made-up' }
      const ask = () => send(address, '/session/end', { method: 'GET', headers })
      assert.equal(await servedUntil429(ask, BEGINNINGS), BEGINNINGS)
    })

    // The signed cookie of a session that is over makes the engine keep a new one at every request, also where nothing
    // begins.
    test('the cookie of an ended session is good for no more sessions than the limit', async () => {
      const cookie = await endedSession(newAddress())
      const quiet = new URL(requestOf(site.issuer, { prompt: 'none' })).search
      const paths: [path: string, method: string][] = [
        [`/auth${quiet}`, 'GET'],
        ['/auth?client_id=nobody', 'GET'],
        ['/session/end', 'GET'],
        ['/session/end/confirm', 'POST'],
      ]
      for (const [path, method] of paths) {
        const address = newAddress()
        const before = new Set(stateKeys())
        const fields = method === 'POST' ? { xsrf: 'x', logout: 'yes' } : undefined
        const ask = () => send(address, path, { method, headers: { cookie }, ...(fields && { fields }) })
        await servedUntil429(ask, BEGINNINGS)
        const sessions = stateKeys().filter((key) => key.startsWith('engine-Session:') && !before.has(key))
        assert.ok(sessions.length <= BEGINNINGS, `${path}: ${sessions.length}`)
      }
    })

    // A public client pushes requests without proving anything, and each is kept.
    test('pushed requests of a public client are bounded', async () => {
      const fields = { ...REQUEST, client_id: 'public' }
      for (const path of ['/request', '/Request/']) {
        const address = newAddress()
        const served = await servedUntil429(async () => {
          const answer = await send(address, path, { fields })
          assert.ok(answer.status === 201 || answer.status === 429, `${answer.status} ${answer.body}`)
          return answer
        }, BEGINNINGS)
        assert.equal(served, BEGINNINGS, path)
      }
    })

    /** What a stranger gets who signs out without having signed in. */
    async function endedSession(address: string): Promise<string> {
      const browser = from(address)
      const page = await browser.get(`${site.issuer}/session/end`)
      const names = Object.entries(await browser.cookies(site.issuer)).filter(([name]) => name.startsWith('stepgate-s'))
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.body)?.[1] ?? ''
      await browser.post(`${site.issuer}/session/end/confirm`, { xsrf, logout: 'yes' })
      return names.map(([name, value]) => `${name}=${value}`).join('; ')
    }
  })

  describe('what strangers leave behind', () => {
    // The uid of a page stands in the audit log: whoever makes one up would write what he likes, as long as he likes.
    test('a forged uid is 404 and in no log', async () => {
      const address = newAddress()
      const uids = [
        'x'.repeat(5000),
        'x'.repeat(65),
        'x'.repeat(15),
        '%00',
        'a%0ab',
        '..%2f..',
        '%3Cscript%3E',
        '__proto__',
      ]
      for (const uid of [...uids, `${'x'.repeat(20)}%20`, 'é'.repeat(20).replaceAll('é', '%C3%A9')]) {
        for (const method of ['GET', 'POST']) {
          const fields = method === 'POST' ? { csrf: 'x', username: 'x', password: 'x' } : undefined
          const answer = await send(address, `/interaction/${uid}`, { method, ...(fields && { fields }) })
          assert.equal(answer.status, 404, `${method} ${uid.slice(0, 80)}`)
          assert.match(`${answer.body}`, /data-page="error"/)
        }
      }
      assert.deepEqual(await eventsFrom(address), [])
    })

    // Any machine may send any Host, as fast as it can: the log must not grow by a row each time, nor lose that it
    // happened.
    test('requests for another host are one row per network and minute', async () => {
      const addresses = Array.from({ length: 50 }, (_, index) => `2001:db8:5:5::${index + 1}`)
      const knock = async () => {
        for (const address of addresses) {
          const { status } = await send(address, '/auth', { method: 'GET', headers: { host: 'evil.example' } })
          assert.equal(status, 421)
        }
        await send('2001:db8:5:6::1', '/auth', { method: 'GET', headers: { host: 'evil.example' } })
        const rows = await site.events('host.rejected')
        const inside = rows.filter(({ ip }) => ip?.startsWith('2001:db8:5:5:')).length
        return [inside, rows.filter(({ ip }) => ip === '2001:db8:5:6::1').length]
      }
      assert.deepEqual(await knock(), [1, 1])
      site.gateway.clock.advance(61_000)
      assert.deepEqual(await knock(), [2, 2])
    })

    // Names that nobody has are counted like those of accounts, so each could leave counters for a day; a network over
    // its limit must leave none.
    test('names tried beyond the limit of a network leave nothing in the store', async () => {
      const browser = from(newAddress())
      const page = await site.open(browser)
      const attempt = (name: string) => browser.submit(page, { username: name, password: 'wrong' })
      for (let name = 0; name < NAMES; name++) assertPage(await attempt(`nobody-${name}`), 'login', 'credentials')
      assertPage(await attempt('nobody-again'), 'login', 'throttled', 429)
      const before = new Set(stateKeys())
      assert.ok(before.size > NAMES)
      for (let name = 0; name < 20; name++) {
        assertPage(await attempt(`nobody-${Math.random()}`), 'login', 'throttled', 429)
      }
      assert.deepEqual(
        stateKeys().filter((key) => !before.has(key)),
        [],
      )
    })
  })
})

onStores(['embedded'], 'a second reading of addresses and of a grace', (testSite) => {
  const site = testSite({
    // As over a network: without it one request is through before the next begins.
    latency: 4,
    trusted: ['127.0.0.1', '10.0.0.0/8'],
    config: {
      clients: [CLIENT, { ...CLIENT, client_id: 'soon', client_secret: 'Nq3bV7xTz1Rk5Mw9Cd2Fy6Hp8Ls4Jg0E' }],
      policy: {
        rules: [
          { name: 'proxies', when: { networks: ['127.0.0.0/8', '10.0.0.0/8', '::1'] }, secondFactor: 'off' },
          { name: 'soon', when: { clients: ['soon'] }, grace: '1 sign-in' },
        ],
      },
    },
  })
  const from = (address: string): Browser => browserAt(site, address)

  describe('addresses behind a proxy (X7)', () => {
    /** The page after the right password of somebody who has an app. */
    async function enterFrom(chain: string): Promise<BrowserResponse> {
      const person = await site.person()
      await site.bindApp(person)
      return site.enter(from(chain), person)
    }

    /** Which address the audit log has for such a request. */
    async function takenFor(chain: string): Promise<string | undefined> {
      const browser = from(chain)
      const username = `nobody-${Math.random()}`
      assertPage(await browser.submit(await site.open(browser), { username, password: 'x' }), 'login', 'credentials')
      return (await site.events('login.fail')).at(-1)?.ip
    }

    // Some proxies write the port too. An entry that is not read makes everybody the proxy itself, and rules for its
    // network hold for the world.
    const READ: [chain: string, client: string][] = [
      ['203.0.113.9:51234', '203.0.113.9'],
      ['[2001:db8::1]:443', '2001:db8::1'],
      ['[2001:db8::2]', '2001:db8::2'],
      ['127.0.0.1, 203.0.113.10:1', '203.0.113.10'],
      ['203.0.113.11:65535, 10.1.2.3:8080', '203.0.113.11'],
    ]
    for (const [chain, client] of READ) {
      test(`${chain} is ${client}`, async () => {
        assertPage(await enterFrom(chain), 'verify-totp')
        assert.equal(await takenFor(chain), client)
      })
    }

    // What cannot be read is somebody unknown: no rule for a network may let him off, least of all one for the proxy's
    // own.
    const GARBAGE = [
      'unknown',
      '_hidden',
      'nonsense',
      '999.1.1.1',
      '203.0.113.9:',
      '203.0.113.9:x',
      '[::1',
      '::1]',
      '[127.0.0.1]:x',
      '127.0.0.1, nonsense',
      '127.0.0.1,',
      ',',
      'nonsense, 10.1.2.3',
      '127.0.0.1:80:80',
      '0x7f.0.0.1x',
    ]
    test('garbage is in no network', async () => {
      for (const chain of GARBAGE) {
        const page = await enterFrom(chain)
        assert.equal(page.page, 'verify-totp', `${chain}: ${seen(page)}`)
        assert.equal(await takenFor(chain), 'unknown', chain)
      }
    })

    test('the rule for the proxy’s network holds for the proxy itself', async () => {
      for (const chain of ['127.0.0.1', '10.1.2.3', '127.0.0.1:4711', '']) assertSignedIn(await enterFrom(chain))
    })
  })

  describe('a grace of one sign-in (B10)', () => {
    // The page that offers to bind later is opened in many tabs first, and all of them say "later": read, then counted,
    // all of them got in.
    test('of many open pages exactly one gets in', async () => {
      const person: Person = await site.person()
      const tabs = await Promise.all(
        Array.from({ length: 6 }, async () => {
          const browser = from(newAddress())
          return { browser, page: assertPage(await site.enter(browser, person, { client_id: 'soon' }), 'bind-later') }
        }),
      )
      const ends = await Promise.all(tabs.map(({ browser, page }) => browser.submit(page, { action: 'later' })))
      assert.equal(ends.filter(isSignedIn).length, 1, ends.map(seen).join('\n'))
      for (const end of ends.filter((each) => !isSignedIn(each))) assertPage(end, 'bind-totp')
      const late = await site.enter(from(newAddress()), person, { client_id: 'soon' })
      assertPage(late, 'bind-totp')
      assert.deepEqual(site.faults, [])
    })
  })
})
