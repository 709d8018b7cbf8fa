import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CLIENT } from '../harness/gateway.ts'
import type { Form } from '../harness/http-client.ts'
import { codeAt } from '../harness/totp-app.ts'
import { EXECUTED, type Hostile, MALFORMED, MEGABYTE, STRANGE } from './hostile.ts'
import {
  assertPage,
  assertSignedIn,
  type Browser,
  type BrowserResponse,
  FORM,
  onStores,
  type Person,
  seen,
  somebodyAsked,
  somebodySignedIn,
  type TestSite,
} from './site.ts'

/**
 * Whoever writes forms by hand sends what no browser would: a field twice, as a list, with NUL, without end. Frameworks
 * turn that into arrays and objects that later code takes for text (CVE-2023-7028: a second address in `email[]`), and
 * databases and template engines into errors. Every field of every page gets it all: the answer is the page's own, and
 * nothing has changed.
 */

const FIELDS = ['username', 'password', 'code', 'label', 'remember', 'method', 'action', 'step', 'csrf'] as const
/** The answers a person could give by mistake: none of them gets anybody further. */
const WRONG: Readonly<Record<string, string>> = {
  username: 'nobody',
  password: 'wrong',
  code: '00000',
  label: 'Phone',
  remember: 'on',
  method: 'nothing',
}

interface Reached {
  browser: Browser
  page: BrowserResponse
  form: Form
  person: Person
  /** Finishes the page as its owner would. */
  right(): Promise<BrowserResponse>
}

const CONSENTING = {
  ...CLIENT,
  client_id: 'third',
  client_secret: 'Zr8mQ1wXc5Tn7Kv2Lb9Ye4Hs6Gd3Jf0U',
  firstParty: false,
}
const LATER = { ...CLIENT, client_id: 'later', client_secret: 'Nq3bV7xTz1Rk5Mw9Cd2Fy6Hp8Ls4Jg0E' }

const PAGES: Record<string, (site: TestSite) => Promise<Omit<Reached, 'form'>>> = {
  async login(site) {
    const [person, browser] = [await site.person(), site.browser()]
    await site.bindApp(person)
    const page = await site.open(browser)
    const right = () => browser.submit(page, { username: person.username, password: person.password })
    return { browser, page, person, right }
  },
  async 'verify-totp'(site) {
    const { browser, page, person, secret } = await somebodyAsked(site)
    return { browser, page, person, right: () => browser.submit(page, { code: site.appCode(secret) }) }
  },
  async 'bind-totp'(site) {
    const [person, browser] = [await site.person({ email: null }), site.browser()]
    const page = await site.enter(browser, person)
    const key = page.text('[data-secret]')
    return { browser, page, person, right: () => browser.submit(page, { code: codeAt(key, site.gateway.clock.now()) }) }
  },
  async 'verify-email'(site) {
    const [person, browser] = [await site.person(), site.browser()]
    const page = await byMail(browser, await site.enter(browser, person))
    return { browser, page, person, right: () => browser.submit(page, { code: site.smtp.codeFor(`${person.email}`) }) }
  },
  async choose(site) {
    const [person, browser] = [await site.person(), site.browser()]
    const page = await site.enter(browser, person)
    const choice = page.page === 'choose' ? page : await browser.submit(page, { action: 'choose' })
    return { browser, page: choice, person, right: () => browser.submit(choice, { method: 'email' }) }
  },
  async 'bind-later'(site) {
    const [person, browser] = [await site.person({ email: null }), site.browser()]
    const page = await site.enter(browser, person, { client_id: 'later' })
    return { browser, page, person, right: () => browser.submit(page, { action: 'later' }) }
  },
  async consent(site) {
    const { browser, person } = await somebodySignedIn(site)
    const page = await site.open(browser, { client_id: 'third' })
    return { browser, page, person, right: () => browser.submit(page, { action: 'allow' }) }
  },
}

async function byMail(browser: Browser, page: BrowserResponse): Promise<BrowserResponse> {
  return page.page === 'choose' ? browser.submit(page, { method: 'email' }) : page
}

onStores(['servers', 'embedded'], 'hostile forms', (testSite) => {
  const site = testSite({
    mail: 'on',
    config: {
      mfa: { enabled: true, methods: ['totp', 'email'], enrolment: { guard: 'password' } },
      policy: { rules: [{ name: 'later', when: { clients: ['later'] }, methods: ['totp'], grace: '14d' }] },
      clients: [CLIENT, CONSENTING, LATER],
      limits: { codesPerInteraction: 10, passwordTries: 100 },
    },
  })

  async function reach(name: string): Promise<Reached> {
    const reached = await PAGES[name]?.(site)
    assert.ok(reached !== undefined)
    assertPage(reached.page, name)
    assert.ok(reached.page.form !== undefined)
    return { ...reached, form: reached.page.form }
  }

  /**
   * The form with this field replaced by what an attacker makes of it, and nothing else that would get anybody further.
   */
  function bodyOf({ form }: Reached, field: string, [, pairs]: Hostile): string {
    const given = Object.fromEntries(form.fields.map((name) => [name, WRONG[name] ?? 'x']))
    const { [field]: _, ...rest }: Record<string, string> = { ...form.hidden, ...given }
    return `${new URLSearchParams(rest)}&${pairs(field)}`
  }

  const sent = (reached: Reached, body: string | Buffer, headers: Record<string, string> = {}) =>
    reached.browser.post(reached.form.action, body, { redirects: 'stop', from: reached.page.url, headers })

  /** Everything durable that a form could have changed. */
  async function standing({ id }: Person): Promise<unknown> {
    const { accounts, bindings } = site.gateway.installation
    return [await accounts.find(id), await bindings.list(id)]
  }

  function assertRefused(answer: BrowserResponse, reached: Reached, what: string): void {
    const said = `${what}: ${seen(answer)}`
    // A form of another step shows where things stand.
    const stays = answer.status === 303 && answer.location === reached.form.action
    assert.ok(stays || (answer.status >= 400 && answer.status < 500), said)
    assert.doesNotMatch(answer.body, EXECUTED, said)
    assert.ok(answer.headers['set-cookie'] === undefined || !`${answer.headers['set-cookie']}`.includes('stolen'), said)
  }

  for (const name of Object.keys(PAGES)) {
    describe(name, () => {
      test('what is no form of ours is 400 or 413 for every field, and costs its owner nothing', async () => {
        const reached = await reach(name)
        const before = await standing(reached.person)
        for (const field of FIELDS) {
          for (const hostile of MALFORMED) {
            const answer = await sent(reached, bodyOf(reached, field, hostile))
            assert.equal(answer.status, 400, `${field} ${hostile[0]}: ${seen(answer)}`)
          }
        }
        const large = await sent(reached, bodyOf(reached, 'code', MEGABYTE))
        assert.equal(large.status, 413)
        assert.deepEqual(await standing(reached.person), before)
        const answer = await reached.right()
        assert.ok(answer.status < 400, seen(answer))
        assert.notEqual(answer.page, name)
      })

      test('text of any kind in any field gets nobody further', async () => {
        for (const field of FIELDS) {
          const reached = await reach(name)
          const before = await standing(reached.person)
          for (const hostile of STRANGE) {
            const answer = await sent(reached, bodyOf(reached, field, hostile))
            assertRefused(answer, reached, `${field} ${hostile[0]}`)
          }
          assert.deepEqual(await standing(reached.person), before, field)
        }
      })

      test('a body of another kind, too many fields and other methods are refused', async () => {
        const reached = await reach(name)
        const before = await standing(reached.person)
        const fields = { ...reached.form.hidden, ...WRONG }
        const bodies: [type: string, body: string, status: number][] = [
          ['application/json', JSON.stringify(fields), 400],
          ['text/plain', `${new URLSearchParams(fields)}`, 400],
          ['multipart/form-data; boundary=x', multipart(fields), 400],
          [`${FORM}; charset=utf-16`, `${new URLSearchParams(fields)}`, 401],
          ['', `${new URLSearchParams(fields)}`, 400],
          [FORM, Array.from({ length: 200 }, (_, index) => `x${index}=1`).join('&'), 400],
          [FORM, '&'.repeat(200), 400],
          [FORM, '', 403],
        ]
        for (const [type, body, status] of bodies) {
          const answer = await sent(reached, body, { 'content-type': type })
          // With a form's own type the charset is not asked: what was sent is read as a form, and is a wrong one.
          const said = `${type}: ${seen(answer)}`
          if (status === 401) assertRefused(answer, reached, said)
          else assert.equal(answer.status, status, said)
        }
        for (const method of ['PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'OPTIONS']) {
          const answer = await reached.browser.send(method, reached.form.action, `${new URLSearchParams(fields)}`)
          assert.ok(answer.status === 405 || method === 'OPTIONS', `${method}: ${seen(answer)}`)
          assert.ok(answer.status < 500, `${method}: ${seen(answer)}`)
        }
        assert.deepEqual(await standing(reached.person), before)
        const answer = await reached.right()
        assert.ok(answer.status < 400, seen(answer))
      })
    })
  }

  test('a label is kept as text of one line, and no longer than a label is (WE-9)', async () => {
    for (const [what, pairs] of STRANGE) {
      const reached = await reach('bind-totp')
      const { label: _, ...rest } = { ...reached.form.hidden, label: '' }
      const code = codeAt(reached.page.text('[data-secret]'), site.gateway.clock.now())
      const answer = await sent(reached, `${new URLSearchParams({ ...rest, code })}&${pairs('label')}`)
      // A list gives one name twice, and that is no form of ours.
      if (what === 'as a list') continue
      assert.equal(answer.status, 303, `${what}: ${seen(answer)}`)
      const [binding] = await site.gateway.installation.bindings.list(reached.person.id)
      assert.ok((binding?.label ?? '').length <= 60, what)
      assertSignedIn(await reached.browser.get(`${answer.location}`))
    }
  })

  test('an address of a sign-in is 16 to 64 letters, and anything else is nobody’s', async () => {
    const { browser, form } = await reach('login')
    const strange = ['%00', 'a%00b', '%ff', '%', '%2e%2e%2f', '__proto__', 'constructor', '%0d%0aSet-Cookie:%20a=1']
    for (const uid of [
      ...strange,
      'x'.repeat(8000),
      '<script>alert(1)</script>',
      '%3Cscript%3Ealert(1)%3C/script%3E',
    ]) {
      for (const method of ['GET', 'HEAD', 'POST']) {
        const url = `${site.issuer}/interaction/${uid}`
        const body = method === 'POST' ? `${new URLSearchParams(form.hidden)}` : undefined
        const answer = await browser.send(method, url, body, { redirects: 'stop' })
        assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${uid.slice(0, 40)}: ${seen(answer)}`)
        assert.doesNotMatch(answer.body, EXECUTED)
      }
    }
  })

  test('none of it was our fault, and none of it is in the audit log as a success', async () => {
    assert.deepEqual(site.faults, [])
    assert.equal(site.gateway.installation.trail.dropped, 0)
    const successes = await site.events('login.ok', 'otp.ok', 'factor.added')
    for (const { outcome, account } of successes) assert.ok(outcome === 'ok' && account !== undefined)
    assert.deepEqual(site.faults, [])
  })
})

function multipart(fields: Record<string, string>): string {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--x\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  )
  return `${parts.join('')}--x--\r\n`
}
