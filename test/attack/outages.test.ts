import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Answer } from '../harness/exchange.ts'
import type { RedisService } from '../harness/services.ts'
import {
  type Asked,
  assertPage,
  assertSignedIn,
  type Browser,
  type BrowserResponse,
  CREDENTIALS,
  codeIn,
  FORM,
  isSignedIn,
  onServers,
  REDIRECT,
  requestOf,
  seen,
  somebodyAsked,
  somebodySignedIn,
  type TestSite,
  VERIFIER,
} from './site.ts'

/**
 * Who can make a store stumble must not get past what it keeps: a limit that cannot be counted is not skipped, a
 * revocation that cannot be written is not confirmed (CVE-2020-15223), and a user backend that is down is not a wrong
 * password. Every answer is a quick 503, nothing hangs, and all of it works again without a restart (FA-1, FA-5, FA-6).
 */

/** The command timeout, and a machine that has other things to do. */
const QUICK = 2500

interface Outage {
  what: string
  begin(redis: RedisService): Promise<void>
  end(redis: RedisService): Promise<void>
  /** Whether what was stored before is there after it. */
  keeps: 'everything' | 'nothing'
  /** Whether it still answers what is read. */
  reads: 'yes' | 'no'
}

const OUTAGES: Outage[] = [
  {
    what: 'Redis hangs',
    begin: async ({ pid }) => void process.kill(pid, 'SIGSTOP'),
    end: async ({ pid }) => void process.kill(pid, 'SIGCONT'),
    keeps: 'everything',
    reads: 'no',
  },
  {
    what: 'Redis is full',
    begin: async (redis) => void (await redis.command('config', 'set', 'maxmemory', '1')),
    end: async (redis) => void (await redis.command('config', 'set', 'maxmemory', '0')),
    keeps: 'everything',
    reads: 'yes',
  },
  {
    what: 'Redis has become a replica that takes no writes',
    begin: async (redis) => void (await redis.command('config', 'set', 'min-replicas-to-write', '3')),
    end: async (redis) => void (await redis.command('config', 'set', 'min-replicas-to-write', '0')),
    keeps: 'everything',
    reads: 'yes',
  },
  {
    what: 'Redis is read-only',
    begin: async (redis) => void (await redis.command('replicaof', '127.0.0.1', '1')),
    end: async (redis) => void (await redis.command('replicaof', 'no', 'one')),
    keeps: 'everything',
    reads: 'yes',
  },
  {
    what: 'Redis is dead',
    begin: (redis) => redis.kill(),
    end: (redis) => redis.restart(),
    keeps: 'nothing',
    reads: 'no',
  },
]

interface Standing {
  /** Waits for a code. */
  asked: Asked
  /** Has a session, of which these are the tokens, and stands on this login page too. */
  other: Browser
  login: BrowserResponse
  tokens: Tokens
}

interface Tokens {
  access_token: string
  refresh_token: string
  id_token: string
}

async function tokensOf(site: TestSite, code: string): Promise<Tokens> {
  const fields = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT, code_verifier: VERIFIER }
  const answer = await post(site, '/token', { ...CREDENTIALS, ...fields })
  assert.equal(answer.status, 200, `${answer.body}`)
  return JSON.parse(`${answer.body}`)
}

function post(site: TestSite, path: string, fields: Record<string, string>): Promise<Answer> {
  return site.send('POST', path, { body: `${new URLSearchParams(fields)}`, headers: { 'content-type': FORM } })
}

/** Answers what `work` answers, and that it took no longer than a person waits. */
async function quickly<R>(what: string, work: () => Promise<R>): Promise<R> {
  const began = performance.now()
  const answer = await work()
  const took = performance.now() - began
  assert.ok(took < QUICK, `${what} took ${Math.round(took)} ms`)
  return answer
}

async function ready(site: TestSite): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    if ((await site.send('GET', '/readyz')).status === 200) return
    await pause(50)
  }
  assert.fail('it did not recover')
}

onServers('outages', (testSite) => {
  const clients = [
    {
      client_id: 'app',
      client_secret: CREDENTIALS.client_secret,
      redirect_uris: [REDIRECT],
      grant_types: ['authorization_code', 'refresh_token'],
    },
  ]
  const site = testSite({ config: { clients } })

  /** Everything that needs the state store, while it is away. */
  async function assertUnavailable({ asked, other, tokens, login }: Standing) {
    const { person, browser, page, secret } = asked
    const health = await quickly('/readyz', () => site.send('GET', '/readyz'))
    const alive = await site.send('GET', '/livez')
    assert.equal(alive.status, 200)

    const begun = await quickly('/auth', () => other.get(requestOf(site.issuer), { redirects: 'stop' }))
    // The relying party may hear of it; nobody is sent to pages that cannot be.
    if (begun.status === 303) {
      assert.equal(new URL(`${begun.location}`).searchParams.get('error'), 'temporarily_unavailable', seen(begun))
      assert.ok(begun.location?.startsWith(REDIRECT))
    } else assertPage(begun, 'error', 'unavailable', 503)
    const { username, password } = person
    for (const typed of [password, 'wrong']) {
      const answer = await quickly('login', () => other.submit(login, { username, password: typed }))
      assertPage(answer, 'error', 'unavailable', 503)
      assert.ok(Number(answer.headers['retry-after']) > 0)
    }
    for (const code of ['00000', site.appCode(secret)]) {
      const answer = await quickly('a code', () => browser.submit(page, { code }))
      assert.equal(answer.status, 503, seen(answer))
      assert.equal(answer.error, 'unavailable')
    }
    const { access_token, refresh_token, id_token } = tokens
    const refresh = { ...CREDENTIALS, grant_type: 'refresh_token', refresh_token }
    const refreshed = await quickly('/token', () => post(site, '/token', refresh))
    assert.equal(refreshed.status, 503, `${refreshed.body}`)
    assert.doesNotMatch(`${refreshed.body}`, /token"/)
    const revoked = await quickly('revocation', () =>
      post(site, '/token/revocation', { ...CREDENTIALS, token: refresh_token }),
    )
    // Redis that is full still deletes: a yes is a promise, see below.
    assert.ok([200, 503].includes(revoked.status), `revocation: ${revoked.status} ${revoked.body}`)
    const leaving = await quickly('logout', () => other.get(`${site.issuer}/session/end?id_token_hint=${id_token}`))
    if (leaving.page === 'logout') {
      const left = await quickly('logout', () => other.submit(leaving, { logout: 'yes' }))
      assert.equal(left.status, 503, seen(left))
    } else assert.equal(leaving.status, 503, seen(leaving))
    return { health, access_token, revoked: revoked.status }
  }

  for (const { what, begin, end, keeps, reads } of OUTAGES) {
    test(`${what}: 503 quickly everywhere, nothing skipped, and then it goes on`, async () => {
      const redis = site.stores.redis as RedisService
      let revoked = 0
      const signedIn = await somebodySignedIn(site)
      const tokens = await tokensOf(site, codeIn(signedIn.end))
      const asked = await somebodyAsked(site)
      const other = signedIn.browser
      const login = await other.get(requestOf(site.issuer, { prompt: 'login' }))

      await begin(redis)
      try {
        const outcome = await assertUnavailable({ asked, other, login, tokens })
        const { health, access_token } = outcome
        revoked = outcome.revoked
        assert.equal(health.status, reads === 'yes' ? 200 : 503)
        if (reads === 'no') {
          assert.match(`${health.body}`, /"state":"unavailable","accounts":"ok"/)
          const headers = { authorization: `Bearer ${access_token}` }
          const told = await quickly('/me', () => site.send('GET', '/me', { headers }))
          assert.equal(told.status, 503, `/me: ${told.body}`)
          const seenBy = await quickly('introspection', () =>
            post(site, '/token/introspection', { ...CREDENTIALS, token: access_token }),
          )
          assert.equal(seenBy.status, 503, `introspection: ${seenBy.body}`)
        }
      } finally {
        await end(redis)
      }
      await ready(site)

      assert.equal(await numberOf('login.ok', asked.person.id), 0)
      const refresh = { ...CREDENTIALS, grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
      if (revoked === 200) assert.equal((await post(site, '/token', refresh)).status, 400, 'a revoked token')
      if (keeps === 'nothing') return void assertSignedIn((await somebodySignedIn(site)).end)
      // Nothing of what was asked meanwhile was judged: the code is still good, and the tokens are where they were.
      assertSignedIn(await asked.browser.submit(asked.page, { code: site.appCode(asked.secret) }))
      assert.ok(isSignedIn(await site.open(signedIn.browser)), 'the session of before is still there')
    })
  }

  async function numberOf(event: 'login.ok' | 'login.fail' | 'otp.fail', account: string): Promise<number> {
    return (await site.events(event)).filter((each) => each.account === account).length
  }

  describe('PostgreSQL is dead', () => {
    test('503 and not "wrong password", nothing counted, and right passwords and codes are good afterwards (FA-6)', async () => {
      const { postgres } = site.stores
      const person = await site.person()
      const secret = await site.bindApp(person)
      const asked = await somebodyAsked(site)
      const signedIn = await somebodySignedIn(site)
      const tokens = await tokensOf(site, codeIn(signedIn.end))
      const browser = site.browser()
      const login = await site.open(browser)
      await site.gateway.installation.trail.flush()

      await postgres?.kill()
      try {
        assert.equal((await site.send('GET', '/livez')).status, 200)
        const health = await quickly('/readyz', () => site.send('GET', '/readyz'))
        assert.equal(health.status, 503)
        assert.match(`${health.body}`, /"state":"ok","accounts":"unavailable"/)
        const { username, password } = person
        // As many as would close the gate.
        for (const typed of [password, 'wrong', 'wrong', 'wrong', 'wrong', 'wrong', 'wrong']) {
          const answer = await quickly('login', () => browser.submit(login, { username, password: typed }))
          assertPage(answer, 'error', 'unavailable', 503)
        }
        for (let time = 0; time < 6; time++) {
          const answer = await quickly('a code', () => asked.browser.submit(asked.page, { code: '00000' }))
          assertPage(answer, 'error', 'unavailable', 503)
        }
        const refresh = { ...CREDENTIALS, grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
        const refreshed = await quickly('/token', () => post(site, '/token', refresh))
        assert.equal(refreshed.status, 503, `/token: ${refreshed.body}`)
        const headers = { authorization: `Bearer ${tokens.access_token}` }
        const told = await quickly('/me', () => site.send('GET', '/me', { headers }))
        assert.equal(told.status, 503, `/me: ${told.body}`)
        const again = await quickly('/auth', () => site.open(signedIn.browser))
        assert.ok(again.status === 503 || /error=temporarily_unavailable/.test(`${again.location}`), seen(again))
        assert.equal(isSignedIn(again), false)
      } finally {
        await postgres?.restart()
      }
      await ready(site)

      assertPage(
        await browser.submit(login, { username: person.username, password: 'wrong' }),
        'login',
        'credentials',
        401,
      )
      const page = await browser.submit(login, { username: person.username, password: person.password })
      assertPage(page, 'verify-totp', undefined, 200)
      assertSignedIn(await browser.submit(page, { code: site.appCode(secret) }))
      assertPage(await asked.browser.submit(asked.page, { code: '00000' }), 'verify-totp', 'code', 401)
      assertSignedIn(await asked.browser.submit(asked.page, { code: site.appCode(asked.secret) }))
      assert.equal(await numberOf('login.fail', person.id), 1)
      assert.equal(await numberOf('otp.fail', asked.person.id), 1)
      assertSignedIn(await site.open(signedIn.browser))
      const refresh = { ...CREDENTIALS, grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
      assert.equal((await post(site, '/token', refresh)).status, 200)
    })

    test('what happened while the audit log could not be written is written afterwards (LG-4)', async () => {
      const { postgres } = site.stores
      const before = (await site.events('host.rejected')).length
      await postgres?.kill()
      try {
        for (let minute = 0; minute < 4; minute++) {
          await site.send('GET', '/auth', { headers: { host: 'evil.example' } })
          site.gateway.clock.advance(61_000)
        }
        await pause(200)
      } finally {
        await postgres?.restart()
      }
      await ready(site)
      await pause(500)
      assert.equal((await site.events('host.rejected')).length, before + 4)
      assert.equal(site.gateway.installation.trail.dropped, 0)
    })
  })

  test('both are dead, and come back one after the other', async () => {
    const { redis, postgres } = site.stores
    await Promise.all([redis?.kill(), postgres?.kill()])
    const health = await quickly('/readyz', () => site.send('GET', '/readyz'))
    assert.match(`${health.body}`, /"state":"unavailable","accounts":"unavailable"/)
    const opened = await quickly('/auth', () => site.open(site.browser()))
    assert.ok(opened.status === 503 || /error=temporarily_unavailable/.test(`${opened.location}`), seen(opened))
    await postgres?.restart()
    await redis?.restart()
    await ready(site)
    await somebodySignedIn(site)
  })
})
