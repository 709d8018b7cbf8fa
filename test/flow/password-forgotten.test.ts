import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { HOUR } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser } from '../harness/http-client.ts'
import { assertPage, type BrowserResponse, onEmbeddedStores, type TestSite } from './person-site.ts'

/**
 * `/forgot` asks a stranger for a name and answers the same to everybody. A link goes to the address on record alone,
 * and only where the mailbox is not also the second factor.
 */

const BOTH = { enabled: true, methods: ['email', 'totp'] }
const NEW = 'tovika-lumebo-redafi-42'

async function ask(site: TestSite, login: string, given: { browser?: Browser; headers?: Record<string, string> } = {}) {
  const { browser = site.browser(), headers = {} } = given
  const form = assertPage(await browser.get(`${site.gateway.issuer}/forgot`), 'forgot', undefined, 200)
  return browser.submit(form, { username: login }, { headers })
}

const resetsTo = ({ smtp }: TestSite, { email }: Person) =>
  smtp.messages.filter(({ to, text }) => to.includes(`${email}`) && text.includes('/reset/'))

/** Waits for the audit row, which is written before the mail goes out. */
async function reasonsFor(site: TestSite, id: string, count: number): Promise<unknown[]> {
  for (let tries = 0; tries < 200; tries++) {
    await site.gateway.installation.trail.flush()
    const events = await site.gateway.installation.audit.list({ account: id })
    const asked = events.filter(({ event }) => event === 'password.reset.requested')
    if (asked.length >= count) return asked.map(({ outcome, details }) => details?.reason ?? outcome)
    await pause(20)
  }
  throw new Error('nobody asked for a reset')
}

const linkIn = (text: string): string => /http\S+\/reset\/\S+/.exec(text)?.[0] ?? ''

onEmbeddedStores('a forgotten password', (testSite) => {
  describe('with an app as second factor', () => {
    const site = testSite({ mail: 'on', config: { mfa: BOTH } })

    async function withApp(): Promise<Person> {
      const person = await site.person()
      await site.bindApp(person)
      return person
    }

    it('the login page leads to a mailed link, and that to a new password and the second factor', async () => {
      const person = await withApp()
      const browser = site.browser()
      const login = await site.open(browser)
      assert.ok(login.findAll('a').some(({ attributes }) => attributes.href === '/forgot'))
      const sent = await ask(site, ` ${person.username.toUpperCase()} `, { browser })
      assertPage(sent, 'forgot', undefined, 200)
      const mail = await site.smtp.waitFor(`${person.email}`)
      assert.match(mail.subject, /password/)
      const link = linkIn(mail.text)
      assert.ok(link.startsWith(`${site.gateway.issuer}/reset/`) && mail.html.includes(link))
      const form = assertPage(await browser.get(link), 'reset', undefined, 200)
      assertPage(await browser.submit(form, { password: NEW, passwordAgain: NEW }), 'password-set')
      assertPage(await site.enter(browser, { ...person, password: NEW }), 'verify-totp')
      const noticed = ({ to, text }: { to: string[]; text: string }) =>
        to.includes(`${person.email}`) && !/\/reset\//.test(text)
      assert.match((await site.smtp.waitFor(noticed)).subject, /password/)
    })

    it('EN-4, CVE-2023-39522: known, unknown, disabled, without address: one status, one body, the same headers', async () => {
      const { accounts } = site.gateway.installation
      const [known, disabled, homeless] = [await withApp(), await withApp(), await site.person({ email: null })]
      await accounts.setDisabled(disabled.id, true, { event: 'user.disabled', outcome: 'ok' })
      const logins = [known.username, `${known.email}`, disabled.username, homeless.username, randomUUID()]
      const seen = async (login: string) => {
        const answers: BrowserResponse[] = []
        const browser = site.browser()
        const form = await browser.get(`${site.gateway.issuer}/forgot`)
        answers.push(await browser.submit(form, { username: login }, { redirects: 'stop' }))
        answers.push(await browser.get(`${site.gateway.issuer}/forgot/sent`))
        return answers.map(({ status, body, headers }) => ({ status, body, headers: { ...headers, date: '' } }))
      }
      const [first, ...others] = await Promise.all(logins.map(seen))
      assert.deepEqual(
        first?.map(({ status }) => status),
        [303, 200],
      )
      for (const other of others) assert.deepEqual(other, first)
      assert.deepEqual(await reasonsFor(site, disabled.id, 1), ['disabled'])
      assert.deepEqual(await reasonsFor(site, homeless.id, 1), ['no-address'])
      assert.equal(resetsTo(site, disabled).length, 0)
    })

    it('EN-4: nobody waits for the mail server', async () => {
      const person = await withApp()
      await site.smtp.stop()
      try {
        assertPage(await ask(site, person.username), 'forgot', undefined, 200)
      } finally {
        await site.smtp.start()
      }
    })

    it('CVE-2023-7028: the address comes from the account, and a list of addresses is no name', async () => {
      const person = await withApp()
      const browser = site.browser()
      const form = await browser.get(`${site.gateway.issuer}/forgot`)
      const csrf = `${form.form?.hidden.csrf}`
      const post = (pairs: [string, string][]) =>
        browser.post(`${site.gateway.issuer}/forgot`, `${new URLSearchParams([['csrf', csrf], ...pairs])}`)
      const evil = 'mallory@evil.test'
      const own = `${person.email}`
      assertPage(
        await post([
          ['username', own],
          ['username', evil],
        ]),
        'error',
        'bad-request',
        400,
      )
      assertPage(
        await post([
          ['username[]', own],
          ['username[]', evil],
        ]),
        'error',
        'bad-request',
        400,
      )
      assertPage(await post([['username[]', evil]]), 'forgot', 'bad-request', 400)
      for (const list of [`${own},${evil}`, `${own};${evil}`, `${own} ${evil}`, `${own}\r\nBcc: ${evil}`, `<${own}>`])
        assertPage(await post([['username', list]]), 'forgot', undefined, 200)
      assertPage(
        await post([
          ['username', own],
          ['email', evil],
          ['to', evil],
          ['email[]', evil],
        ]),
        'forgot',
      )
      await site.smtp.waitFor(own)
      assert.ok(site.smtp.messages.every(({ to, raw }) => to.length === 1 && !raw.includes(evil)))
      assert.equal(resetsTo(site, person).length, 1)
    })

    it('GHSA-2wmj-46rj-qm2w: the link leads to the issuer, whatever host the request names', async () => {
      const person = await withApp()
      await ask(site, person.username, { headers: { 'x-forwarded-proto': 'https', forwarded: 'host=evil.test' } })
      const mail = await site.smtp.waitFor(`${person.email}`)
      assert.ok(linkIn(mail.text).startsWith(`${site.gateway.issuer}/reset/`))
      assert.ok(!mail.raw.includes('evil.test'))
      const browser = site.browser()
      const form = await browser.get(`${site.gateway.issuer}/forgot`)
      for (const headers of [{ host: 'evil.test' }, { 'x-forwarded-host': 'evil.test' }])
        assert.equal((await browser.submit(form, { username: person.username }, { headers })).status, 421)
      assert.equal(resetsTo(site, person).length, 1)
    })

    it('RL-8: wrong passwords of strangers do not stand in its way', async () => {
      const person = await withApp()
      const stranger = site.browser()
      const login = await site.open(stranger)
      for (let tries = 0; tries < 8; tries++) await stranger.submit(login, { username: person.username, password: 'x' })
      assertPage(await ask(site, person.username, { browser: stranger }), 'forgot', undefined, 200)
      await site.smtp.waitFor(`${person.email}`)
    })

    it('one network asks twenty times an hour, for whomever', async () => {
      const browser = site.browser()
      for (let times = 0; times < 20; times++)
        assertPage(await ask(site, randomUUID(), { browser }), 'forgot', undefined, 200)
      const answer = assertPage(await ask(site, randomUUID(), { browser }), 'forgot', 'throttled', 429)
      assert.ok(Number(answer.headers['retry-after']) > 3000)
      assertPage(await ask(site, randomUUID()), 'forgot', undefined, 200)
    })

    it('no name, too long a name, a form from elsewhere and other methods ask nobody anything', async () => {
      const browser = site.browser()
      const page = await browser.get(`${site.gateway.issuer}/forgot`)
      for (const username of ['', '   ', 'x'.repeat(255)])
        assertPage(await browser.submit(page, { username }), 'forgot', 'bad-request', 400)
      const foreign = { headers: { origin: 'null', 'sec-fetch-site': 'cross-site' } }
      assertPage(await browser.submit(page, { username: 'x' }, foreign), 'error', 'csrf', 403)
      const silent = { headers: { origin: 'null', 'sec-fetch-site': undefined } }
      assertPage(await browser.submit(page, { username: 'x' }, silent), 'error', 'csrf', 403)
      assert.equal((await browser.send('PUT', `${site.gateway.issuer}/forgot`, undefined)).status, 405)
    })

    it('three mails an hour and account, then silence; the last link stays good', async () => {
      const person = await withApp()
      for (let times = 0; times < 5; times++) assertPage(await ask(site, person.username), 'forgot', undefined, 200)
      const reasons = await reasonsFor(site, person.id, 5)
      assert.deepEqual(reasons.toSorted(), ['ok', 'ok', 'ok', 'too-many', 'too-many'])
      for (let tries = 0; resetsTo(site, person).length < 3 && tries < 200; tries++) await pause(20)
      assert.equal(resetsTo(site, person).length, 3)
      const pages = await Promise.all(resetsTo(site, person).map(({ text }) => site.browser().get(linkIn(text))))
      assert.equal(pages.filter(({ page }) => page === 'reset').length, 1)
      site.gateway.clock.advance(HOUR)
      await ask(site, person.username)
      assert.equal((await reasonsFor(site, person.id, 6)).at(-1), 'ok')
    })
  })

  describe('where the mailbox is the second factor too (PW-16)', () => {
    const site = testSite({ mail: 'on', config: { mfa: BOTH } })

    it('no mail goes out, and the answer is the same', async () => {
      const person = await site.person()
      await site.bindApp(person)
      const mailOnly = await site.person()
      const [one, other] = [await ask(site, person.username), await ask(site, mailOnly.username)]
      assert.deepEqual([other.status, other.body], [one.status, one.body])
      assert.deepEqual(await reasonsFor(site, mailOnly.id, 1), ['only-factor'])
      await site.smtp.waitFor(`${person.email}`)
      assert.equal(resetsTo(site, mailOnly).length, 0)
    })
  })

  describe('with resetByMail: always', () => {
    const site = testSite({ mail: 'on', config: { mfa: BOTH, passwords: { resetByMail: 'always' } } })

    it('the mailbox alone gets a link', async () => {
      const person = await site.person()
      await ask(site, person.username)
      assert.ok(linkIn((await site.smtp.waitFor(`${person.email}`)).text) !== '')
    })
  })

  for (const [what, options] of [
    ['with resetByMail: never', { mail: 'on', config: { passwords: { resetByMail: 'never' } } }],
    ['without a mail server', {}],
  ] as const) {
    describe(what, () => {
      const site = testSite(options)

      it('there is no such page, and nothing leads there', async () => {
        assertPage(await site.browser().get(`${site.gateway.issuer}/forgot`), 'error', 'not-found', 404)
        assert.ok(!(await site.open(site.browser())).body.includes('/forgot'))
      })
    })
  }
})
