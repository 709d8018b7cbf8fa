import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { createHasher } from '../../src/accounts/passwords.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import type { Answer } from '../harness/exchange.ts'
import { CLIENT } from '../harness/gateway.ts'
import {
  assertPage,
  assertSignedIn,
  CREDENTIALS,
  FORM,
  onServers,
  REDIRECT,
  requestOf,
  seen,
  somebodySignedIn,
  type TestSite,
} from './site.ts'

/**
 * What costs us more than whoever asks for it, without a limit, ends the service for everybody: bodies without end
 * (CVE-2020-28873), clients that never finish a sentence, passwords to hash, sign-ins begun by the thousand, and client
 * secrets to guess (CVE-2020-13312). Each of them has a number, beyond which the answer is cheap (DO-1 to DO-5, RL-9).
 */

const KIB = 1024

onServers('resource limits', (testSite) => {
  describe('size', () => {
    const site = testSite()

    /** A body without Content-Length, so that only reading it tells its size. */
    async function inPieces(path: string, pieces: number, given: { cookie: string }): Promise<Answer> {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>()
      const headers = { 'content-type': FORM, cookie: given.cookie }
      const sent = request(
        { port: site.port, host: '127.0.0.1', method: 'POST', path, headers, agent: false },
        (answer) => {
          answer.resume()
          answer.once('end', () => {
            resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.alloc(0) })
          })
        },
      )
      sent.on('error', reject)
      for (let piece = 0; piece < pieces; piece++) {
        sent.write('a'.repeat(KIB))
        if (piece % 16 === 0) await pause(1)
      }
      sent.end()
      return promise
    }

    test('a form of more than 16 KiB is 413, whether it says so or not, and one of less is read (DO-3)', async () => {
      const browser = site.browser()
      const page = await site.open(browser)
      const { hidden = {}, action = '' } = page.form ?? {}
      const bodyOf = (bytes: number): string => {
        const body = `${new URLSearchParams({ ...hidden, username: 'nobody' })}&password=`
        return body + 'x'.repeat(bytes - body.length)
      }
      assertPage(await browser.post(action, bodyOf(16 * KIB)), 'login', 'credentials', 401)
      assertPage(await browser.post(action, bodyOf(16 * KIB + 1)), 'error', 'too-large', 413)
      const cookies = Object.entries(await browser.cookies(action)).map(([name, value]) => `${name}=${value}`)
      const cookie = cookies.join('; ')
      assert.equal((await inPieces(new URL(action).pathname, 17, { cookie })).status, 413)
      assert.equal((await inPieces('/auth', 57, { cookie })).status, 413)
      assert.equal((await inPieces('/session/end', 1000, { cookie })).status, 413)
      // The engine's own limit, and its own word for it.
      assert.equal((await inPieces('/token', 57, { cookie })).status, 400)
    })

    test('headers of more than 16 KiB are 431', async () => {
      for (const name of ['cookie', 'x-anything', 'authorization']) {
        const { status } = await site.send('GET', '/jwks', { headers: { [name]: 'x'.repeat(17 * KIB) } })
        assert.equal(status, 431)
      }
    })

    test('a client that hangs up in the middle of its body is no fault of ours', async () => {
      const { form } = await site.open(site.browser())
      for (const path of [new URL(`${form?.action}`).pathname, '/auth', '/session/end', '/token', '/me', '/request']) {
        const socket = await connected(site)
        const host = `Host: 127.0.0.1:${site.port}\r\nContent-Type: ${FORM}\r\n`
        socket.write(`POST ${path} HTTP/1.1\r\n${host}Content-Length: 1000\r\n\r\na=b&`)
        await pause(30)
        socket.destroy()
      }
      await pause(200)
      assert.deepEqual(site.faults, [])
    })
  })

  describe('connections', () => {
    const site = testSite({ config: { limits: { connections: 30 } } })

    test('more connections than the limit are closed at once, and the ones before are served (DO-4)', async () => {
      const open: Socket[] = []
      for (let number = 0; number < 30; number++) open.push(await connected(site))
      const ask = `GET /livez HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\n\r\n`
      const late = await connected(site)
      const heard: Buffer[] = []
      late.on('data', (part) => heard.push(part))
      late.write(ask)
      await once(late, 'close')
      assert.equal(Buffer.concat(heard).length, 0)
      const [first] = open
      first?.write(ask)
      const [answer] = (await once(first as Socket, 'data')) as [Buffer]
      assert.match(`${answer}`, /^HTTP\/1\.1 200 /)
      for (const socket of open) socket.destroy()
      await pause(50)
      assert.equal((await site.send('GET', '/livez')).status, 200)
    })

    test('a client that never ends its headers is cut (slowloris), and costs nobody else anything', async () => {
      const socket = await connected(site)
      const began = performance.now()
      socket.write(`GET /livez HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\n`)
      const drip = setInterval(() => socket.write('X-Slow: 1\r\n'), 500)
      const heard: Buffer[] = []
      socket.on('data', (part) => heard.push(part))
      await once(socket, 'close')
      clearInterval(drip)
      const took = performance.now() - began
      assert.ok(took > 5000 && took < 15_000, `${Math.round(took)} ms`)
      assert.match(`${Buffer.concat(heard)}`, /^HTTP\/1\.1 408 /)
      assert.equal((await site.send('GET', '/livez')).status, 200)
    })
  })

  describe('passwords to hash', () => {
    const hasher = createHasher({ queue: 2, wait: 2000, concurrency: 1 })
    const site = testSite({ hasher, config: { limits: { passwordTries: 10 } } })

    test('more than the queue holds is 503 with Retry-After, the others are judged, and signing in works afterwards (DO-1)', async () => {
      const person = await site.person()
      const secret = await site.bindApp(person)
      const tabs = await Promise.all(
        Array.from({ length: 12 }, async () => {
          const browser = site.browser()
          return { browser, page: await site.open(browser) }
        }),
      )
      const { username } = person
      const answers = await Promise.all(
        tabs.map(({ browser, page }, tab) =>
          browser.submit(page, { username: tab % 2 === 0 ? username : `nobody-${tab}`, password: 'wrong' }),
        ),
      )
      const refused = answers.filter(({ status }) => status === 503)
      const judged = answers.filter(({ status }) => status === 401)
      assert.equal(refused.length + judged.length, tabs.length, answers.map(seen).join('\n'))
      assert.ok(judged.length >= 3, `${judged.length} judged`)
      assert.ok(refused.length >= 1, `${refused.length} refused`)
      for (const answer of refused) {
        assertPage(answer, 'error', 'unavailable', 503)
        assert.ok(Number(answer.headers['retry-after']) >= 1)
      }
      const browser = site.browser()
      const page = await site.enter(browser, person)
      assertSignedIn(await browser.submit(page, { code: site.appCode(secret) }))
      assert.deepEqual(site.faults, [])
    })

    test('what the queue had no room for was not judged, and counts against nobody (FA-6)', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const { verify } = hasher
      const browser = site.browser()
      const page = await site.open(browser)
      const { username, password } = person
      hasher.verify = () => Promise.reject(new UnavailableError('hasher'))
      try {
        for (let time = 0; time < 12; time++) {
          assertPage(await browser.submit(page, { username, password }), 'error', 'unavailable', 503)
        }
      } finally {
        hasher.verify = verify
      }
      for (let time = 0; time < 9; time++) {
        assertPage(await browser.submit(page, { username, password: 'wrong' }), 'login', 'credentials', 401)
      }
      assertPage(await browser.submit(page, { username, password }), 'verify-totp')
    })

    test('a form without its token, or too long, or too late costs no hash (DO-2)', async () => {
      let hashed = 0
      const { verify } = hasher
      hasher.verify = (hash, password) => {
        hashed++
        return verify(hash, password)
      }
      try {
        const browser = site.browser()
        const page = await site.open(browser)
        const { action = '', hidden = {} } = page.form ?? {}
        const fields = { ...hidden, username: 'nobody', password: 'wrong' }
        assert.equal((await browser.post(action, { ...fields, csrf: 'x' })).status, 403)
        assert.equal((await browser.post(action, { ...fields, password: 'x'.repeat(17 * KIB) })).status, 413)
        assert.equal((await browser.post(action, { ...fields, password: '' })).status, 401)
        assert.equal((await browser.post(action, { ...fields, username: '' })).status, 401)
        assert.equal((await browser.post(action, { ...fields, username: 'x'.repeat(300) })).status, 401)
        assert.equal((await browser.send('PUT', action, 'x')).status, 405)
        assert.equal(hashed, 0)
        assertPage(await browser.submit(page, { username: 'nobody', password: 'wrong' }), 'login', 'credentials')
        assert.equal(hashed, 1)
      } finally {
        hasher.verify = verify
      }
    })
  })

  describe('sign-ins begun', () => {
    const site = testSite({ trusted: ['127.0.0.1'], config: { limits: { interactionsPerAddress: 10 } } })
    const from = (address: string) => site.browser({ headers: { 'x-forwarded-for': address } })

    test('from one network there are so many in 15 minutes, then 429 with Retry-After and no state kept (DO-5)', async () => {
      for (let number = 0; number < 10; number++) {
        assertPage(await site.open(from(`2001:db8:1:1::${number}`)), 'login')
      }
      const keys = async () => Number((await site.stores.redis?.command('dbsize')) ?? 0)
      await site.open(from('2001:db8:1:1::a'))
      const before = await keys()
      for (let number = 0; number < 20; number++) {
        const answer = await site.open(from(`2001:db8:1:1:f::${number}`))
        assert.equal(answer.status, 429, seen(answer))
        const wait = Number(answer.headers['retry-after'])
        assert.ok(wait > 0 && wait <= 900, `${wait}`)
        assert.equal(answer.headers['set-cookie'], undefined)
      }
      assert.ok((await keys()) <= before)
      assertPage(await site.open(from('2001:db8:1:2::1')), 'login')
    })

    test('a posted request, a HEAD and a session cookie of one’s own making count too', async () => {
      const address = '203.0.113.9'
      for (let number = 0; number < 10; number++) {
        const browser = from(address)
        const method = ['GET', 'HEAD', 'POST'][number % 3] ?? 'GET'
        if (number % 2 === 1) await browser.setCookie(site.issuer, 'stepgate-session=made-up; Path=/')
        if (method === 'POST')
          await browser.post(`${site.issuer}/auth`, new URL(requestOf(site.issuer)).search.slice(1))
        else await browser.send(method, requestOf(site.issuer), undefined)
      }
      // One or two may go through while the count is taken.
      await site.open(from(address))
      assert.equal((await site.open(from(address))).status, 429)
    })

    test('who is signed in is not counted: signing in to many applications is no attack', async () => {
      const browser = from('203.0.113.10')
      await somebodySignedIn(site, { browser })
      for (let number = 0; number < 15; number++) assertSignedIn(await site.open(browser))
    })
  })

  describe('guessing client secrets', () => {
    const site = testSite({
      trusted: ['127.0.0.1'],
      config: { limits: { clientAuthPerMinute: 20 }, clients: [CLIENT, { ...CLIENT, client_id: 'other' }] },
    })
    const GRANT = { grant_type: 'authorization_code', code: 'x', redirect_uri: REDIRECT, code_verifier: 'x'.repeat(43) }
    const asks = (
      path: string,
      address: string,
      fields: Record<string, string>,
      headers: Record<string, string> = {},
    ) =>
      site.send('POST', path, {
        body: `${new URLSearchParams({ ...GRANT, token: 'x', ...fields })}`,
        headers: { 'content-type': FORM, 'x-forwarded-for': address, ...headers },
      })

    test('twenty wrong ones a minute over all endpoints and ways, then 429 even for the right one (RL-9)', async () => {
      const address = '203.0.113.20'
      const wrong = { ...CREDENTIALS, client_secret: 'wrong' }
      const paths = ['/token', '/token/introspection', '/token/revocation', '/request']
      for (let guess = 0; guess < 20; guess++) {
        const basic = { authorization: `Basic ${Buffer.from(`app:wrong-${guess}`).toString('base64')}` }
        const path = paths[guess % paths.length] ?? ''
        const answer = guess % 2 === 0 ? await asks(path, address, wrong) : await asks(path, address, {}, basic)
        assert.equal(answer.status, 401, `${guess} ${path} ${answer.body}`)
      }
      const late = await asks('/token', address, { ...CREDENTIALS })
      assert.equal(late.status, 429, `${late.body}`)
      assert.ok(Number(late.headers['retry-after']) > 0)
      // Somebody else's service goes on.
      assert.equal((await asks('/token', '203.0.113.21', { ...CREDENTIALS })).status, 400)
      assert.equal((await site.events('client.auth.fail')).length, 1)
    })

    test('wrong codes and tokens with the right secret are no guesses at it, and succeeding is not counted', async () => {
      for (let number = 0; number < 30; number++) {
        assert.equal((await asks('/token', '203.0.113.22', { ...CREDENTIALS })).status, 400)
      }
      assert.equal((await asks('/token/introspection', '203.0.113.22', { ...CREDENTIALS })).status, 200)
    })

    test('forty guesses, ten at a time: then the network waits', async () => {
      const address = '203.0.113.23'
      const wrong = { ...CREDENTIALS, client_secret: 'wrong' }
      for (let round = 0; round < 4; round++) {
        await Promise.all(Array.from({ length: 10 }, () => asks('/token', address, wrong)))
      }
      assert.equal((await asks('/token', address, { ...CREDENTIALS })).status, 429)
    })
  })
})

async function connected(site: TestSite): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: site.port })
  await once(socket, 'connect')
  socket.on('error', () => undefined)
  return socket
}
