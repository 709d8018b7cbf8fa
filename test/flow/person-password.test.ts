import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Hasher } from '../../src/accounts/passwords.ts'
import { HOUR } from '../../src/kernel/clock.ts'
import { testHasher } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { attempt, nameOf } from './person-login.ts'
import { assertPage, type BrowserResponse, newAddress, onEachStore } from './person-site.ts'

function countingHasher(): Hasher & { verified: number } {
  const hasher = {
    ...testHasher,
    verified: 0,
    verify(hash: string | undefined, password: string) {
      hasher.verified++
      return testHasher.verify(hash, password)
    },
  }
  return hasher
}

/** What a stranger can tell two answers apart by, without what is random or was typed. */
function look(page: BrowserResponse, typed: string): unknown {
  const body = page.body.replaceAll(/name="csrf" value="[^"]*"|\/interaction\/[\w-]+/g, '').replaceAll(typed, 'NAME')
  const headers = Object.keys(page.headers).sort()
  return { status: page.status, headers, cookies: Object.keys(page.cookies).sort(), body }
}

onEachStore('passwords', (testSite) => {
  describe('who one is not', () => {
    const hasher = countingHasher()
    const site = testSite({ hasher })

    test('unknown, wrong, disabled and without a password look alike and cost one hash each (EN-1, EN-2)', async () => {
      const known = await site.person()
      const disabled = await site.person()
      await site.gateway.installation.accounts.setDisabled(disabled.id, true, { event: 'user.disabled', outcome: 'ok' })
      const invited = await site.gateway.installation.accounts.insert(
        { username: `invited-${Date.now()}`, email: undefined },
        { event: 'user.created', outcome: 'ok' },
      )
      const tries = [
        { username: known.username },
        { username: 'nobody-is-called-this' },
        { username: 'nobody@example.test' },
        { username: disabled.username, password: disabled.password },
        { username: disabled.username },
        { username: invited.username },
        { username: invited.username, password: ' ' },
      ]
      const looks = []
      for (const one of tries) {
        const before = hasher.verified
        const page = assertPage(await attempt(site, one), 'login', 'credentials', 401)
        assert.equal(hasher.verified - before, 1, one.username)
        looks.push(look(page, one.username))
      }
      for (const seen of looks) assert.deepEqual(seen, looks[0])
    })

    test('the right password costs one hash too', async () => {
      const known = await site.person()
      const before = hasher.verified
      assertPage(await attempt(site, known), 'bind-totp')
      assert.equal(hasher.verified - before, 1)
    })

    test('a field given twice, a form of another kind and one without a name ask nobody’s password (PW-10)', async () => {
      const known = await site.person()
      const browser = site.browser()
      const page = await site.open(browser)
      const before = hasher.verified
      const fields = { ...page.form?.hidden, username: known.username, password: ['wrong', known.password] }
      assert.equal((await browser.post(page.url, fields, { from: page.url })).status, 400)
      const json = JSON.stringify({ ...page.form?.hidden, username: known.username, password: known.password })
      const headers = { 'content-type': 'application/json' }
      assert.equal((await browser.post(page.url, json, { from: page.url, headers })).status, 400)
      for (const username of ['', '   ', 'x'.repeat(255)]) {
        assertPage(await attempt(site, { username }), 'login', 'credentials', 401)
      }
      assert.equal(hasher.verified, before)
    })

    test('the password is not on the page that refuses it', async () => {
      const page = await attempt(site, { username: 'somebody', password: 'correct horse battery' })
      assert.ok(!page.body.includes('correct horse'))
      assert.equal(page.form?.filled.username, 'somebody')
    })
  })

  describe('five tries, then waiting', () => {
    const hasher = countingHasher()
    const site = testSite({ hasher, latency: 3, config: { limits: { passwordDelay: '2s' } } })
    /** Redis goes by a clock of its own. */
    const pass = async (milliseconds: number): Promise<void> => {
      site.gateway.clock.advance(milliseconds)
      if (site.kind === 'servers') await pause(milliseconds)
    }

    test('the sixth is not judged, right or wrong; the wait grows; an unknown name fares the same (RL-2, EN-5)', async () => {
      const person = await site.person()
      const course = async (username: string, last: string) => {
        const address = newAddress()
        const statuses: string[] = []
        const before = hasher.verified
        const once = async (password?: string) => {
          const page = await attempt(site, { username, address, ...(password !== undefined && { password }) })
          statuses.push(`${page.status} ${page.error}`)
          assert.equal(page.status === 429, Number(page.headers['retry-after']) > 0)
          return page
        }
        for (let time = 0; time < 7; time++) await once(time === 6 ? last : undefined)
        const judged = hasher.verified - before
        await pass(2050)
        await once()
        await pass(2050)
        await once()
        const throttled = await once(last)
        return { statuses, judged, seen: look(throttled, username) }
      }
      const known = await course(person.username, person.password)
      const unknown = await course('nobody-here', person.password)
      assert.deepEqual(known.statuses, [
        ...Array(5).fill('401 credentials'),
        ...Array(2).fill('429 throttled'),
        '401 credentials',
        ...Array(2).fill('429 throttled'),
      ])
      assert.deepEqual(known.statuses, unknown.statuses)
      assert.deepEqual([known.judged, unknown.judged], [5, 5])
      assert.deepEqual(known.seen, unknown.seen)
    })

    test('every spelling of a name is one account: case, Unicode forms, spaces and the address (RL-5, CVE-2025-24806)', async () => {
      const name = `zoë-${Date.now()}`
      const person = await site.person({ username: name, email: `zoe${Date.now()}@example.test` })
      const address = newAddress()
      const spellings = [
        name,
        name.toUpperCase(),
        name.normalize('NFD'),
        `  ${name} `,
        `${person.email}`.toUpperCase(),
        `${person.email}`.replace('@', '＠'),
      ]
      for (const username of spellings.slice(0, 5)) {
        assertPage(await attempt(site, { username, address }), 'login', 'credentials', 401)
      }
      for (const username of spellings) {
        const page = await attempt(site, { username, address, password: person.password })
        assertPage(page, 'login', 'throttled', 429)
      }
      await pass(2050)
      assertPage(
        await attempt(site, { username: `${spellings.at(-1)}`, address, password: person.password }),
        'bind-totp',
      )
    })

    test('spellings of a name nobody has are one name', async () => {
      const address = newAddress()
      for (const username of ['Nobody', 'NOBODY', ' nobody', 'ｎobody', 'nobodY']) {
        assertPage(await attempt(site, { username, address }), 'login', 'credentials', 401)
      }
      assertPage(await attempt(site, { username: 'nobody', address }), 'login', 'throttled', 429)
    })

    test('twenty tries at once: five are judged (RL-4, CVE-2024-4629)', async () => {
      const person = await site.person()
      const address = newAddress()
      const browsers = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const browser = site.browser({ address })
          return { browser, page: await site.open(browser) }
        }),
      )
      const before = hasher.verified
      const typed = { username: person.username, password: 'wrong password' }
      const answers = await Promise.all(browsers.map(({ browser, page }) => browser.submit(page, typed)))
      assert.equal(hasher.verified - before, 5)
      assert.equal(answers.filter(({ status }) => status === 401).length, 5)
      assert.equal(answers.filter(({ status }) => status === 429).length, 15)
    })

    test('strangers never lock out a browser the owner has signed in with, nor the owner elsewhere (RL-8)', async () => {
      const person = await site.person()
      const secret = await site.bindApp(person)
      const address = newAddress()
      const owner = site.browser({ address })
      const signIn = async (browser: Browser, steps: number) => {
        const page = assertPage(await attempt(site, { ...person, browser }), 'verify-totp')
        await site.redeem(await browser.submit(page, { code: site.appCode(secret, steps) }))
      }
      await signIn(owner, -1)
      await owner.clear('stepgate-session')
      const mark = await owner.cookies(site.gateway.issuer)
      assert.ok(Object.keys(mark).some((name) => name.startsWith('stepgate-known-')))
      for (let time = 0; time < 5; time++) await attempt(site, { username: person.username, address })
      assertPage(await attempt(site, { ...person, address }), 'login', 'throttled', 429)
      await signIn(owner, 0)
      await signIn(site.browser(), 1)
      await owner.clear('stepgate-session')
      for (let time = 0; time < 5; time++) {
        assertPage(await attempt(site, { username: person.username, browser: owner }), 'login', 'credentials', 401)
      }
      assertPage(await attempt(site, { ...person, browser: owner }), 'login', 'throttled', 429)
    })

    test('a mark that was made up, or is another account’s, is no known browser', async () => {
      const [person, other] = [await site.person(), await site.person()]
      const secret = await site.bindApp(other)
      const address = newAddress()
      const browser = site.browser({ address })
      const page = await attempt(site, { ...other, browser })
      await site.redeem(await browser.submit(page, { code: site.appCode(secret) }))
      await browser.clear('stepgate-session')
      const own = Object.entries(await browser.cookies(site.gateway.issuer)).filter(([name]) => name.includes('known'))
      const { id } = person
      for (const [, value] of own)
        await browser.setCookie(site.gateway.issuer, `${nameOf('known', id)}=${value}; Path=/`)
      for (let time = 0; time < 5; time++) await attempt(site, { username: person.username, address })
      assertPage(await attempt(site, { username: person.username, browser }), 'login', 'throttled', 429)
      await browser.setCookie(site.gateway.issuer, `${nameOf('known', id)}=${Date.now() + HOUR}.AAAA; Path=/`)
      assertPage(await attempt(site, { username: person.username, browser }), 'login', 'throttled', 429)
    })
  })
})
