import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createHasher } from '../../src/accounts/passwords.ts'
import { MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { attempt } from './person-login.ts'
import { assertPage, newAddress, onEachStore } from './person-site.ts'

const changed = { event: 'password.changed', outcome: 'ok' } as const

onEachStore('passwords, by address and by hash', (testSite) => {
  describe('one address', () => {
    const site = testSite({ config: { limits: { passwordFailuresPerAddress: 20, accountsPerAddress: 30 } } })
    const failAs = async (address: string, names: string, times: number) => {
      const pages = []
      for (let time = 0; time < times; time++) {
        pages.push(await attempt(site, { username: `${names}-${time}`, address }))
      }
      return pages.map(({ status }) => status)
    }

    test('twenty failures over any accounts; then nobody from there, and everybody from elsewhere (RL-2)', async () => {
      const person = await site.person()
      const address = newAddress()
      assert.deepEqual(await failAs(address, 'a', 20), Array(20).fill(401))
      const page = assertPage(await attempt(site, { ...person, address }), 'login', 'throttled', 429)
      assert.ok(Number(page.headers['retry-after']) <= (15 * MINUTE) / SECOND)
      assertPage(await attempt(site, person), 'bind-totp')
    })

    test('all of an IPv6 household is one address, in every spelling; the next household is another (RL-7, CVE-2026-45364)', async () => {
      const household = ['2001:db8:1:2::1', '2001:0DB8:0001:0002:ffff:ffff:ffff:ffff', '[2001:db8:1:2:3::]:4711']
      for (const address of household) await failAs(address, `six-${address}`, 7)
      assert.deepEqual(await failAs('2001:db8:1:2:aaaa::1', 'six', 1), [429])
      assert.deepEqual(await failAs('2001:db8:1:3::1', 'six', 1), [401])
    })

    test('an IPv4 address in IPv6 clothes is the same address', async () => {
      await failAs('198.51.100.7', 'four', 10)
      await failAs('::ffff:198.51.100.7', 'mapped', 10)
      assert.deepEqual(await failAs('198.51.100.7', 'last', 1), [429])
      assert.deepEqual(await failAs('::ffff:c633:6407', 'last', 1), [429])
    })

    test('what a client writes into X-Forwarded-For itself is not believed (WE-11, X7)', async () => {
      const real = newAddress()
      for (let time = 0; time < 20; time++)
        await attempt(site, { username: `x-${time}`, address: `${newAddress()}, ${real}` })
      assert.deepEqual(await failAs(`203.0.113.77, ${real}`, 'x', 1), [429])
    })

    test('those who succeed cost their address nothing', async () => {
      const address = newAddress()
      for (let time = 0; time < 25; time++) {
        assertPage(await attempt(site, { ...(await site.person()), address }), 'bind-totp')
      }
    })
  })

  describe('hashes of the real kind', () => {
    const hasher = createHasher({ concurrency: 1, queue: 0, wait: 0 })
    const site = testSite({ hasher })

    test('the same text composed and decomposed is one password (PW-4)', async () => {
      const composed = 'Smörgås-på-Malmö'.normalize('NFC')
      for (const [set, typed] of [
        [composed, composed.normalize('NFD')],
        [composed.normalize('NFD'), composed],
      ]) {
        const person = await site.person()
        await site.gateway.installation.accounts.setPassword(person.id, await hasher.hash(`${set}`), changed)
        assertPage(await attempt(site, { username: person.username, password: `${typed}` }), 'bind-totp')
        const spaced = await attempt(site, { username: person.username, password: ` ${typed}` })
        assertPage(spaced, 'login', 'credentials', 401)
      }
    })

    test('256 characters are a password; one more is refused while nobody can hash (PW-2, DO-1)', async () => {
      const person = await site.person()
      const long = '𝔞'.repeat(256)
      await site.gateway.installation.accounts.setPassword(person.id, await hasher.hash(long), changed)
      assertPage(await attempt(site, { username: person.username, password: long }), 'bind-totp')
      const browser = site.browser()
      const page = await site.open(browser)
      let busy = true
      const work = (async () => {
        while (busy) await hasher.hash('something else')
      })()
      try {
        const tooLong = await browser.submit(page, { username: person.username, password: `${long}𝔞` })
        assertPage(tooLong, 'login', 'credentials', 401)
        const full = await browser.submit(page, { username: person.username, password: long })
        assert.equal(full.status, 503)
        assert.equal(full.error, 'unavailable')
        assert.ok(Number(full.headers['retry-after']) > 0)
      } finally {
        busy = false
        await work
      }
      assertPage(await browser.submit(page, { username: person.username, password: long }), 'bind-totp')
    })
  })
})
