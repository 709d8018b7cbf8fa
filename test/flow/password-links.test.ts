import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createActivations } from '../../src/accounts/activation.ts'
import { createPasswordLinks } from '../../src/accounts/password-links.ts'
import { HOUR } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import { assertPage, type BrowserResponse, onEachStore, type TestSite } from './person-site.ts'

/**
 * Whoever holds an activation or reset link sets a password: of the one account that the link was made for, once, while
 * nothing about that account has changed. The link gives nothing else: no session, no second factor.
 */

const NEW = 'tovika-lumebo-redafi-42'
type Kind = 'activate' | 'reset'

async function linkFor(site: TestSite, person: Person, kind: Kind = 'activate'): Promise<string> {
  const { installation } = site.gateway
  const account = await installation.accounts.find(person.id)
  assert.ok(account)
  const links = kind === 'activate' ? createActivations(installation) : createPasswordLinks('reset', installation)
  return `${site.gateway.issuer}/${kind}/${await links.create(account)}`
}

const typed = (password: string, again = password) => ({ password, passwordAgain: again })

async function assertPassword(site: TestSite, person: Person, password: string): Promise<void> {
  assertPage(await site.enter(site.browser(), { ...person, password }), 'bind-totp', undefined, 200)
}

const assertDead = (page: BrowserResponse): BrowserResponse => assertPage(page, 'error', 'expired', 410)

onEachStore('links to a new password', (testSite) => {
  const site = testSite()

  it('from the link to a sign-in with a second factor', async () => {
    const person = await site.person()
    const browser = site.browser()
    const form = assertPage(await browser.get(await linkFor(site, person)), 'activate', undefined, 200)
    assert.ok(form.text().includes(person.username))
    const done = await browser.submit(form, typed(NEW))
    assertPage(done, 'password-set', undefined, 200)
    assert.ok(done.url.endsWith('/activate/done'))
    assert.deepEqual(
      Object.keys(done.cookies).filter((name) => /session|device|known/.test(name)),
      [],
      'nobody is signed in',
    )
    assertPage(await browser.get(`${site.gateway.issuer}/account`), 'login')
    assertPage(await site.enter(browser, person), 'login', 'credentials', 401)
    const bind = assertPage(await site.enter(browser, { ...person, password: NEW }), 'bind-totp')
    const secret = bind.text('[data-secret]').replaceAll(' ', '')
    await site.redeem(await browser.submit(bind, { code: site.appCode(secret) }))
  })

  it('one link, ten browsers at the same time: one of them sets the password', async () => {
    const person = await site.person()
    const link = await linkFor(site, person)
    const pages = await Promise.all(
      Array.from({ length: 10 }, async (_, index) => {
        const browser = site.browser()
        return { browser, page: await browser.get(link), password: `${NEW}-${index}` }
      }),
    )
    const answers = await Promise.all(pages.map(({ browser, page, password }) => browser.submit(page, typed(password))))
    const winners = answers.flatMap((answer, index) => (answer.page === 'password-set' ? [index] : []))
    assert.equal(winners.length, 1)
    for (const answer of answers) if (answer.page !== 'password-set') assertDead(answer)
    await assertPassword(site, person, `${NEW}-${winners[0]}`)
  })
})

onEachStore('links to a new password, in hostile hands', (testSite) => {
  const site = testSite()

  describe('the link', () => {
    it('CVE-2023-26481: sets the password of its own account, whatever else is sent', async () => {
      const [mallory, victim] = [await site.person(), await site.person()]
      const browser = site.browser()
      const page = await browser.get(await linkFor(site, mallory))
      const { id, username, email } = victim
      const more = { username, email: `${email}`, account: id, accountId: id, sub: id, user: username }
      const fields = { ...page.form?.hidden, ...typed(NEW), ...more }
      assertPage(await browser.post(`${page.form?.action}`, fields), 'password-set')
      await assertPassword(site, victim, victim.password)
      await assertPassword(site, mallory, NEW)
    })

    it('CVE-2026-18963: the form of one link does nothing at another, nor that of another browser', async () => {
      const [mallory, victim] = [await site.person(), await site.person()]
      const browser = site.browser()
      const own = await browser.get(await linkFor(site, mallory))
      const theirs = await linkFor(site, victim)
      const fields = { ...own.form?.hidden, ...typed(NEW) }
      assertPage(await browser.post(theirs, fields), 'error', 'csrf', 403)
      assertPage(await site.browser().post(`${own.form?.action}`, fields), 'error', 'csrf', 403)
      await assertPassword(site, victim, victim.password)
    })

    it('WE-4: looks of link checkers change nothing', async () => {
      const person = await site.person()
      const link = await linkFor(site, person)
      for (let look = 0; look < 3; look++) {
        assert.equal((await site.browser().send('HEAD', link, undefined)).status, 200)
        assertPage(await site.browser().get(link), 'activate', undefined, 200)
      }
      assert.equal((await site.browser().send('PUT', link, undefined)).status, 405)
      const browser = site.browser()
      assertPage(await browser.submit(await browser.get(link), typed(NEW)), 'password-set')
    })

    it('works once, until it is replaced or the account has changed (PW-13, PW-16)', async () => {
      const { accounts } = site.gateway.installation
      const audit = { event: 'user.changed', outcome: 'ok' } as const
      const endings: [string, (person: Person, link: string) => Promise<unknown>][] = [
        [
          'used',
          async (_, link) => {
            const browser = site.browser()
            return browser.submit(await browser.get(link), typed(NEW))
          },
        ],
        ['replaced', (person) => linkFor(site, person, 'reset')],
        ['another password', ({ id }) => accounts.setPassword(id, 'test:0', audit)],
        ['another address', ({ id }) => accounts.update(id, { email: `${id}@example.test` }, audit)],
        ['disabled', ({ id }) => accounts.setDisabled(id, true, audit)],
        ['removed', ({ id }) => accounts.remove(id, audit)],
      ]
      for (const [what, end] of endings) {
        const person = await site.person()
        const link = await linkFor(site, person, 'reset')
        const browser = site.browser()
        const page = assertPage(await browser.get(link), 'reset', undefined, 200)
        await end(person, link)
        assertDead(await browser.submit(page, typed(`${NEW}-late`)))
        const dead = assertDead(await site.browser().get(link))
        assert.match(dead.text(), /does not work/, what)
      }
    })

    it('of one kind is none of the other, and what nobody made is none', async () => {
      const person = await site.person()
      const link = await linkFor(site, person, 'reset')
      const { issuer } = site.gateway
      for (const path of [
        link.replace('/reset/', '/activate/'),
        `${issuer}/reset/${'x'.repeat(43)}`,
        `${issuer}/reset/%00`,
      ])
        assertDead(await site.browser().get(path))
      assertPage(await site.browser().get(link), 'reset')
    })

    it('is told to nobody: no Referer, no cache, no frame, and a form that stays', async () => {
      const browser = site.browser()
      const link = await linkFor(site, await site.person())
      const page = await browser.get(link)
      for (const { headers } of [page, await browser.submit(page, typed('short'))]) {
        assert.equal(headers['referrer-policy'], 'no-referrer')
        assert.equal(headers['cache-control'], 'no-store')
        assert.match(`${headers['content-security-policy']}`, /form-action 'self'/)
      }
      assert.equal(page.find('meta[name=referrer]')?.attributes.content, 'no-referrer')
    })

    it('takes the form as browsers send it from a page without Referer, and from nowhere else (WE-1)', async () => {
      const person = await site.person()
      const browser = site.browser()
      const page = await browser.get(await linkFor(site, person))
      for (const headers of [
        { origin: 'null', 'sec-fetch-site': 'cross-site' },
        { origin: 'null', 'sec-fetch-site': 'same-site' },
        { origin: 'https://evil.example', 'sec-fetch-site': undefined },
      ])
        assertPage(await browser.submit(page, typed(NEW), { headers }), 'error', 'csrf', 403)
      const own = { headers: { origin: 'null', 'sec-fetch-site': 'same-origin' } }
      const hidden = { ...page.form?.hidden, csrf: 'x' }
      assertPage(await browser.post(`${page.form?.action}`, { ...hidden, ...typed(NEW) }, own), 'error', 'csrf', 403)
      assertPage(await browser.submit(page, typed(NEW), own), 'password-set')
    })
  })

  describe('the password', () => {
    it('is refused with its reason, and the link stays good (PW-1, PW-2, PW-5)', async () => {
      const person = await site.person({ name: 'Anna Berg' })
      const browser = site.browser()
      let page = await browser.get(await linkFor(site, person))
      const refused: [Record<string, string>, RegExp][] = [
        [typed('seven77'), /too short: it needs at least 8/],
        [typed(''), /too short/],
        [typed('x'.repeat(257)), /too long/],
        [typed('P@ssw0rd1984'), /tried first/],
        [typed(`${person.username}-2026`), /made of your name/],
        [typed('AnnaBerg2026'), /made of your name/],
        [typed(NEW, `${NEW} `), /not the same/],
      ]
      for (const [fields, reason] of refused) {
        page = assertPage(await browser.submit(page, fields), 'activate', 'password', 400)
        assert.match(page.text('#problem'), reason)
        assert.ok(!page.body.includes(`${fields.password || NEW}"`), 'what was typed is not repeated')
      }
      await assertPassword(site, person, person.password)
      assertPage(await browser.submit(page, typed(NEW)), 'password-set')
    })

    it('PW-4: typed twice is the same text, however a keyboard spells an accent', async () => {
      const [person, browser] = [await site.person(), site.browser()]
      const page = await browser.get(await linkFor(site, person))
      const password = `${NEW} caf\u00e9`
      const fields = { password, passwordAgain: password.normalize('NFD') }
      assertPage(await browser.submit(page, fields), 'password-set')
      await assertPassword(site, person, password)
    })

    it('PW-10: two values for one field are refused', async () => {
      const browser = site.browser()
      const page = await browser.get(await linkFor(site, await site.person()))
      const { csrf = '' } = page.form?.hidden ?? {}
      const body = new URLSearchParams([['csrf', csrf], ...Array(2).fill(['password', NEW]), ['passwordAgain', NEW]])
      const answer = await browser.post(`${page.form?.action}`, `${body}`)
      assertPage(answer, 'error', 'bad-request', 400)
    })

    it('ends sessions, leaves the second factor, is audited, and makes no stranger known (PW-12)', async () => {
      const person = await site.person()
      const secret = await site.bindApp(person)
      const [signedIn, other] = [site.browser(), site.browser()]
      const verify = assertPage(await site.enter(signedIn, person), 'verify-totp')
      await site.redeem(await signedIn.submit(verify, { code: site.appCode(secret) }))
      assertPage(await other.submit(await other.get(await linkFor(site, person, 'reset')), typed(NEW)), 'password-set')
      assertPage(await site.open(signedIn), 'login')
      assertPage(await site.enter(other, { ...person, password: NEW }), 'verify-totp')
      const events = await site.gateway.installation.audit.list({ account: person.id })
      const [done] = events.filter(({ event }) => event === 'password.reset.done')
      assert.deepEqual([done?.outcome, done?.details], ['ok', { reason: 'mail' }])
      assert.ok(!JSON.stringify(events).includes(NEW))
    })
  })

  it('waits its time and no longer', async () => {
    const person = await site.person()
    const reset = await linkFor(site, person, 'reset')
    site.gateway.clock.advance(HOUR - 60_000)
    assertPage(await site.browser().get(reset), 'reset')
    site.gateway.clock.advance(61_000)
    if (site.kind === 'embedded') assertDead(await site.browser().get(reset))
  })
})
