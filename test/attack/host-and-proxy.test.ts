import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { assertPage, FORM, onServers, REDIRECT, requestOf, seen } from './site.ts'

/**
 * Host, X-Forwarded-* and Forwarded are written by whoever sends the request. Products built links and redirects from
 * them (GHSA-2wmj-46rj-qm2w, CVE-2026-29067), believed them about who the client is, and let that decide whether a
 * factor is asked for (CVE-2024-47070, CVE-2026-96445, CVE-2023-4612). Here the host must be the issuer's, and the
 * client's address comes from the right-most entry that no trusted proxy vouches for (WE-10, WE-11, X6, X7).
 */

const EVIL = 'evil.example'
const SPOOFED: Record<string, string> = {
  'x-forwarded-host': EVIL,
  'x-forwarded-proto': 'https',
  'x-forwarded-for': '203.0.113.66',
  'x-forwarded-port': '443',
  'x-forwarded-prefix': '/evil',
  'x-forwarded-server': EVIL,
  'x-host': EVIL,
  'x-real-ip': '203.0.113.66',
  'x-original-url': '/evil',
  'x-rewrite-url': '/evil',
  'true-client-ip': '203.0.113.66',
  'cf-connecting-ip': '203.0.113.66',
  forwarded: `for=203.0.113.66;host=${EVIL};proto=https`,
}

onServers('host and proxy', (testSite) => {
  describe('a gateway without trusted proxies', () => {
    const site = testSite()

    test('another host is 421 on every path, whatever is spelt around it (WE-10, CVE-2026-27959)', async () => {
      const good = `127.0.0.1:${site.port}`
      const hosts = [
        EVIL,
        `${EVIL}:${site.port}`,
        `${EVIL}:fake@${good}`,
        `${good}@${EVIL}`,
        `${good}.${EVIL}`,
        '127.0.0.1',
      ]
      const spelt = [
        `${good}/`,
        `${good},${EVIL}`,
        `${good} `,
        `http://${good}`,
        `127.0.0.1.:${site.port}`,
        `127.1:${site.port}`,
      ]
      const named = [
        `localhost:${site.port}`,
        `[::1]:${site.port}`,
        `2130706433:${site.port}`,
        `127.0.0.1:0${site.port}`,
      ]
      for (const host of [...hosts, ...spelt, ...named]) {
        for (const path of ['/auth', '/.well-known/openid-configuration', '/interaction/x', '/token', '/nowhere']) {
          // Spaces around a header are no part of it (RFC 9110, 5.5).
          const expected = host.trim() === good ? 200 : 421
          const { status, body } = await site.send('GET', path, { headers: { host } })
          if (expected === 421) assert.ok(status === 421 || status === 400, `${host} ${path}: ${status}`)
          assert.doesNotMatch(`${body}`, /evil/)
        }
      }
      const nameless = 'GET /jwks HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n'
      assert.match(await talk(site.port, nameless), /^HTTP\/1\.1 4(?:00|21) /)
      assert.ok((await site.events('host.rejected')).length > 0)
    })

    test('the host may be spelt in capitals, and health is asked for by machines that know no name', async () => {
      assert.equal((await site.send('GET', '/jwks', { headers: { host: `127.0.0.1:${site.port}` } })).status, 200)
      for (const path of ['/livez', '/readyz']) {
        const { status, body } = await site.send('GET', path, { headers: { host: EVIL } })
        assert.equal(status, 200)
        assert.doesNotMatch(`${body}`, /evil/)
      }
    })

    test('a request line with a whole address in it is refused, whatever the Host says', async () => {
      const good = `127.0.0.1:${site.port}`
      for (const target of [`http://${EVIL}/jwks`, `http://${good}/jwks`, `//${EVIL}/jwks`, '*', `\\\\${EVIL}`]) {
        const answer = await talk(site.port, `GET ${target} HTTP/1.1\r\nHost: ${good}\r\nConnection: close\r\n\r\n`)
        assert.match(answer, /^HTTP\/1\.1 (?:400|404) /, `${target}: ${answer.slice(0, 60)}`)
        assert.doesNotMatch(answer, /evil/)
      }
    })

    test('what a stranger says of himself changes nothing: discovery, redirects, links, forms, cookies (X6)', async () => {
      const headers = SPOOFED
      const discovery = await site.send('GET', '/.well-known/openid-configuration', { headers })
      assert.equal(discovery.status, 200)
      const plain = await site.send('GET', '/.well-known/openid-configuration')
      assert.equal(`${discovery.body}`, `${plain.body}`)

      const browser = site.browser({ headers })
      const page = assertPage(await site.open(browser), 'login')
      const person = await site.person()
      const bind = await browser.submit(page, { username: person.username, password: person.password })
      const end = await browser.submit(bind, { code: site.appCode(bind.text('[data-secret]')) })
      assert.ok(end.location?.startsWith(`${REDIRECT}?code=`), seen(end))
      for (const { body, visited, headers: heard } of [page, bind, end]) {
        assert.doesNotMatch(`${body} ${JSON.stringify(heard)}`, /evil/)
        for (const address of visited) assert.ok(address.startsWith(site.issuer), address)
      }
      const { cookies } = await browser.jar.serialize()
      for (const { key, secure } of cookies) assert.ok(key?.startsWith('stepgate-') && secure !== true, key)
      const leaving = await browser.get(`${site.issuer}/session/end`)
      assert.ok(leaving.form?.action.startsWith(site.issuer), `${leaving.form?.action}`)
      const posted = await site.send('POST', '/auth', { headers: { ...headers, 'content-type': FORM }, body: 'a=b' })
      assert.equal(posted.headers.location, '/auth?a=b')
    })

    test('the audit log and the throttle know the peer, not what it says (WE-11, X7)', async () => {
      const person = await site.person()
      for (let time = 0; time < 5; time++) {
        const headers = { 'x-forwarded-for': `198.51.100.${time}`, forwarded: `for=198.51.100.${time}` }
        const browser = site.browser({ headers })
        const page = await site.open(browser)
        assertPage(await browser.submit(page, { username: person.username, password: 'wrong' }), 'login', 'credentials')
      }
      const browser = site.browser({ headers: { 'x-forwarded-for': '198.51.100.99' } })
      const page = await site.open(browser)
      assertPage(
        await browser.submit(page, { username: person.username, password: 'wrong' }),
        'login',
        'throttled',
        429,
      )
      const events = await site.events('login.fail', 'login.throttled', 'login.ok', 'host.rejected', 'session.created')
      assert.deepEqual([...new Set(events.map(({ ip }) => ip))], ['127.0.0.1'])
      assert.deepEqual(site.faults, [])
    })
  })

  describe('a gateway behind trusted proxies', () => {
    const site = testSite({ trusted: ['127.0.0.1', '10.0.0.0/8', 'fd00::/8'] })

    /** Which address the product takes such a request for. */
    async function takenFor(chain: string): Promise<string | undefined> {
      const before = await site.events('login.fail')
      const browser = site.browser({ headers: { 'x-forwarded-for': chain } })
      await browser.submit(await site.open(browser), { username: `nobody-${Math.random()}`, password: 'wrong' })
      const after = await site.events('login.fail')
      assert.equal(after.length, before.length + 1)
      return after.at(-1)?.ip
    }

    const CHAINS: [chain: string, client: string, why: string][] = [
      ['203.0.113.1', '203.0.113.1', 'one proxy'],
      ['6.6.6.6, 203.0.113.1', '203.0.113.1', 'the client wrote the left one'],
      ['6.6.6.6, 203.0.113.1, 10.1.2.3', '203.0.113.1', 'two proxies'],
      ['203.0.113.1,10.1.2.3,10.4.5.6', '203.0.113.1', 'three, without spaces'],
      ['10.1.2.3', '10.1.2.3', 'a client inside the trusted network'],
      [
        '6.6.6.6, nonsense',
        'unknown',
        'a proxy that writes nonsense vouches for somebody, and nobody can say for whom',
      ],
      ['6.6.6.6, nonsense, 10.1.2.3', 'unknown', 'nor for anybody beyond it'],
      ['6.6.6.6,', 'unknown', 'an empty entry'],
      ['', '127.0.0.1', 'nothing'],
      ['2001:db8::1', '2001:db8::1', 'IPv6'],
      ['[2001:db8::1]', '2001:db8::1', 'in brackets'],
      ['[2001:db8::1]:4711', '2001:db8::1', 'with a port'],
      ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1', 'spelt in full'],
      ['::ffff:203.0.113.1', '203.0.113.1', 'IPv4 in IPv6 clothes'],
      ['::ffff:cb00:7101', '203.0.113.1', 'the same in hexadecimal'],
      ['6.6.6.6, ::ffff:10.0.0.1', '6.6.6.6', 'a trusted proxy in IPv6 clothes'],
      ['6.6.6.6, fd00::1', '6.6.6.6', 'a trusted proxy of IPv6'],
      ['6.6.6.6, 203.0.113.1\t', '203.0.113.1', 'a tab'],
      ['127.0.0.1', '127.0.0.1', 'the proxy itself'],
    ]
    for (const [chain, client, why] of CHAINS) {
      test(`X-Forwarded-For: ${JSON.stringify(chain)} is ${client}: ${why}`, async () => {
        assert.equal(await takenFor(chain), client)
      })
    }

    test('lines of X-Forwarded-For are one list, in their order', async () => {
      const send = `GET ${new URL(requestOf(site.issuer)).pathname}?client_id=x HTTP/1.1\r\nHost: ${EVIL}\r\n`
      const chain = 'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.77\r\nConnection: close\r\n\r\n'
      assert.match(await talk(site.port, send + chain), /^HTTP\/1\.1 421 /)
      assert.equal((await site.events('host.rejected')).at(-1)?.ip, '203.0.113.77')
    })

    test('respelling an address or moving inside a /64 gives no new room (RL-7, CVE-2026-45364)', async () => {
      const addresses = ['2001:db8:1:2::1', '2001:DB8:1:2:0:0:0:2', '[2001:db8:1:2::3]:99', '2001:db8:1:2:ffff::4']
      const person = await site.person()
      const tried = async (address: string) => {
        const browser = site.browser({ headers: { 'x-forwarded-for': address } })
        return browser.submit(await site.open(browser), { username: person.username, password: 'wrong' })
      }
      for (const address of [...addresses, '2001:db8:1:2:1:1:1:1'])
        assertPage(await tried(address), 'login', 'credentials')
      assertPage(await tried('2001:db8:1:2:abcd::'), 'login', 'throttled', 429)
      assertPage(await tried('2001:db8:1:3::1'), 'login', 'credentials')
      const mapped = await site.person()
      const triedAs = async (address: string) => {
        const browser = site.browser({ headers: { 'x-forwarded-for': address } })
        return browser.submit(await site.open(browser), { username: mapped.username, password: 'wrong' })
      }
      for (const address of [
        '203.0.113.5',
        '::ffff:203.0.113.5',
        '::ffff:cb00:7105',
        '203.0.113.5',
        '[::ffff:203.0.113.5]',
      ]) {
        assertPage(await triedAs(address), 'login', 'credentials')
      }
      assertPage(await triedAs('::FFFF:CB00:7105'), 'login', 'throttled', 429)
    })

    test('the host a trusted proxy was asked for must be the issuer’s too', async () => {
      const ask = (headers: Record<string, string>) => site.send('GET', '/jwks', { headers })
      const good = `127.0.0.1:${site.port}`
      assert.equal((await ask({ host: 'inside:8080', 'x-forwarded-host': good })).status, 200)
      assert.equal((await ask({ host: good, 'x-forwarded-host': EVIL })).status, 421)
      assert.equal((await ask({ host: good, 'x-forwarded-host': `${good}, ${EVIL}` })).status, 421)
      // What a client wrote stands before what the proxy appends.
      assert.equal((await ask({ host: good, 'x-forwarded-host': `${EVIL}, ${good}` })).status, 200)
    })

    test('no proxy changes the scheme or a link: the issuer is the configuration’s', async () => {
      const headers = {
        'x-forwarded-proto': 'https',
        'x-forwarded-port': '443',
        forwarded: 'proto=https;host=evil.example',
      }
      const { body } = await site.send('GET', '/.well-known/openid-configuration', { headers })
      const { issuer, token_endpoint } = JSON.parse(`${body}`)
      assert.equal(issuer, site.issuer)
      assert.equal(token_endpoint, `${site.issuer}/token`)
      assert.doesNotMatch(`${body}`, /evil/)
    })
  })

  describe('an https issuer', () => {
    const site = testSite({ issuer: 'https://id.example.test', trusted: ['10.0.0.1'] })

    test('a peer that is no proxy cannot claim that its host or scheme was another', async () => {
      const discovery = (headers: Record<string, string>) =>
        site.send('GET', '/.well-known/openid-configuration', { headers })
      assert.equal((await discovery({ host: EVIL, 'x-forwarded-host': 'id.example.test' })).status, 421)
      assert.equal((await discovery({ host: 'id.example.test', 'x-forwarded-host': EVIL })).status, 200)
      const { body } = await discovery({ host: 'id.example.test:443', 'x-forwarded-proto': 'http' })
      assert.equal(JSON.parse(`${body}`).token_endpoint, 'https://id.example.test/token')
      assert.equal((await discovery({ host: 'id.example.test:80' })).status, 421)
      assert.equal((await discovery({ host: 'ID.Example.Test' })).status, 200)
    })
  })
})

/** What the server says to these bytes before it hangs up. */
function talk(port: number, bytes: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let heard = ''
  const socket = connect({ host: '127.0.0.1', port })
  socket.on('data', (part) => {
    heard += part.toString('latin1')
  })
  socket.on('error', () => resolve(heard))
  socket.on('close', () => resolve(heard))
  socket.setTimeout(2000, () => socket.destroy())
  socket.write(bytes)
  return promise
}
