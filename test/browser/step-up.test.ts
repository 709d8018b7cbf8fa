import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { MINUTE } from '../../src/kernel/clock.ts'
import type { Person } from '../harness/gateway.ts'
import { needs } from '../harness/needs.ts'
import {
  type ApacheSite,
  answered,
  at,
  bindApp,
  claimsOf,
  logIn,
  nextCode,
  send,
  startApacheSite,
} from './apache-site.ts'

const PWD = 'urn:stepgate:acr:pwd'
const TWO = 'urn:stepgate:acr:2sv'
const MFA = 'urn:stepgate:acr:mfa'
const UNMET = 'unmet_authentication_requirements'

const asked = { acr_values: MFA }
const essential = (value: string) => ({ claims: JSON.stringify({ id_token: { acr: { essential: true, value } } }) })

/** `mails` may bind an app beside the mailbox, `mailbox` may not. Everybody else binds one. */
const RULES = [
  { name: 'mails', when: { groups: ['mails'] }, methods: ['email', 'totp'] },
  { name: 'mailbox', when: { groups: ['mailbox'] }, methods: ['email'] },
]

describe('stepping up in Chromium', {
  skip: needs('chromium-headless-shell', 'apache2', 'mod_auth_openidc.so'),
}, () => {
  let site: ApacheSite
  before(async () => {
    site = await startApacheSite('embedded')
    await site.gateway.restart({ policy: { rules: RULES } })
  })
  after(() => site?.stop())

  /** The gateway's clock stands so many minutes behind the engine's. */
  function behind(minutes: number): void {
    const { clock } = site.gateway
    clock.advance(Date.now() - minutes * MINUTE - clock.now())
  }

  /** By openid-client; the parameters go into its request. */
  async function ask(page: Page, parameters: Record<string, string> = {}): Promise<Page> {
    await page.goto(`${site.party().url}/login?${new URLSearchParams(parameters)}`)
    return page
  }

  async function told(page: Page): Promise<Record<string, unknown>> {
    assert.equal(page.url(), `${site.party().url}/`, `${await page.locator('main').textContent()}`)
    return JSON.parse(`${await page.locator('#claims').textContent()}`)
  }

  async function refused(page: Page, error: string): Promise<void> {
    assert.ok(page.url().startsWith(site.party().redirectUri), page.url())
    assert.equal(await page.locator('#error').textContent(), error)
  }

  /**
   * mod_auth_openidc 2.4 takes an error that comes with `iss` (RFC 9207) for somebody else's start of a sign-in: its
   * page tells no reason.
   */
  async function refusedAtApache(page: Page, error: string): Promise<void> {
    await at(page, 'rp-error')
    const { origin, pathname, searchParams } = new URL(page.url())
    assert.equal(`${origin}${pathname}`, site.apache.redirectUri)
    assert.deepEqual([searchParams.get('error'), searchParams.get('iss')], [error, site.apache.issuer])
  }

  /** Opens a page of Apache's that mod_auth_openidc leaves by one that refreshes itself. */
  async function leave(page: Page, path: string, to: string): Promise<void> {
    await Promise.all([page.waitForURL(to), page.goto(`${site.apache.rpUrl}${path}`)])
    await page.waitForLoadState('load')
  }

  const cancel = (page: Page) => answered(page, () => page.locator('button[value=cancel]').click())

  /** Signed in with an app that was just bound, as many minutes ago as the clock is behind. */
  async function withApp(given: { remember?: 'on' } = {}) {
    const who = await site.gateway.person()
    const { page, requests } = await site.visit()
    await logIn(await ask(page), who)
    if (given.remember === 'on') await page.locator('[name=remember]').check()
    const secret = await bindApp(site, page)
    const claims = await told(page)
    assert.equal(claims.acr, MFA)
    return { who, secret, page, requests, claims }
  }

  /** Let in by a remembered device. */
  async function remembered() {
    const { who, secret, page, requests } = await withApp({ remember: 'on' })
    await page.goto(`${site.party().url}/logout`)
    await page.waitForURL(site.party().postLogoutRedirectUri)
    await logIn(await ask(page), who)
    const claims = await told(page)
    assert.equal(claims.acr, PWD)
    return { who, secret, page, requests, claims }
  }

  async function proveMailbox(page: Page, { email }: Person): Promise<void> {
    await at(page, 'verify-email')
    await send(page, site.smtp.codeFor(`${email}`))
  }

  /** Signed in by a mailed code; no app is bound. */
  async function byMail(group: 'mails' | 'mailbox') {
    const who = await site.gateway.person({ groups: [group] })
    const { page, requests } = await site.visit()
    await logIn(await ask(page), who)
    if (group === 'mails') await answered(page, () => page.locator('button[value=email]').click())
    await proveMailbox(page, who)
    const claims = await told(page)
    assert.equal(claims.acr, TWO)
    return { who, page, requests, claims }
  }

  /** The session is what it was: nothing is asked, and the token says the same. */
  async function assertUnchanged(page: Page, claims: Record<string, unknown>): Promise<void> {
    const now = await told(await ask(page))
    for (const name of ['sub', 'sid', 'acr', 'amr', 'auth_time']) assert.deepEqual(now[name], claims[name], name)
  }

  describe('for openid-client', () => {
    for (const [name, parameters] of Object.entries({ acr_values: asked, 'an essential acr': essential(MFA) })) {
      test(`${name}: a remembered device is asked for the app's code alone`, async () => {
        behind(1)
        const { page, secret, claims } = await remembered()
        await at(await ask(page, parameters), 'verify-totp')
        await send(page, nextCode(site, secret))
        const { sub, acr, amr, auth_time } = await told(page)
        assert.deepEqual([sub, acr, amr, auth_time], [claims.sub, MFA, ['pwd', 'otp', 'mfa'], claims.auth_time])
        assert.equal((await told(await ask(page, parameters))).acr, MFA, 'raised once, raised for the session')
      })

      test(`${name}: an email session binds the app it has none of, by the code of a moment ago`, async () => {
        behind(1)
        const { page, claims } = await byMail('mails')
        await ask(page, parameters)
        await bindApp(site, page)
        const { sub, acr, auth_time } = await told(page)
        assert.deepEqual([sub, acr, auth_time], [claims.sub, MFA, claims.auth_time])
      })
    }

    test('a mailed code of more than five minutes ago binds no app: a new one is asked for first', async () => {
      behind(7)
      const { page, who } = await byMail('mails')
      behind(1)
      site.smtp.clear()
      await ask(page, asked)
      await proveMailbox(page, who)
      await bindApp(site, page)
      assert.equal((await told(page)).acr, MFA)
    })

    test('an email session of somebody with an app is asked for its code', async () => {
      behind(3)
      const { page, who } = await byMail('mails')
      await ask(page, asked)
      const secret = await bindApp(site, page)
      await told(page)
      const second = (await site.visit()).page
      await logIn(await ask(second), who)
      await at(second, 'verify-totp')
      await answered(second, () => second.locator('button[value=choose]').click())
      site.smtp.clear()
      await answered(second, () => second.locator('button[value=email]').click())
      await proveMailbox(second, who)
      assert.equal((await told(second)).acr, TWO)
      await at(await ask(second, asked), 'verify-totp')
      await send(second, nextCode(site, secret))
      assert.equal((await told(second)).acr, MFA)
    })

    test('max_age: within it nothing is asked, beyond it password and factor are, even of a remembered device', async () => {
      behind(4)
      const { page, who, secret, claims } = await withApp({ remember: 'on' })
      assert.equal((await told(await ask(page, { max_age: '900' }))).auth_time, claims.auth_time)
      behind(1)
      assert.equal((await told(await ask(page, { max_age: '900' }))).auth_time, claims.auth_time)
      await ask(page, { max_age: '120' })
      await logIn(page, who)
      await at(page, 'verify-totp')
      await send(page, nextCode(site, secret))
      const { sub, acr, auth_time } = await told(page)
      assert.deepEqual([sub, acr], [claims.sub, MFA])
      assert.ok(Number(auth_time) >= Number(claims.auth_time) + 120, `${auth_time}, before: ${claims.auth_time}`)
    })

    test('what cannot be met is an error at once, and the session stays what it was', async () => {
      behind(1)
      const app = await withApp()
      for (const parameters of [essential('urn:nobody:knows'), essential('phrh'), { acr_values: 'phrh' }]) {
        await refused(await ask(app.page, parameters), UNMET)
      }
      await assertUnchanged(app.page, app.claims)
      const mail = await byMail('mailbox')
      for (const parameters of [essential(MFA), asked]) await refused(await ask(mail.page, parameters), UNMET)
      await assertUnchanged(mail.page, mail.claims)
    })

    test('what nobody with this mailbox can meet is an error after the password too', async () => {
      behind(1)
      const who = await site.gateway.person({ groups: ['mailbox'] })
      const { page } = await site.visit()
      await logIn(await ask(page, essential(MFA)), who)
      await refused(page, UNMET)
      await at(await ask(page), 'login')
    })

    test('a step-up that is cancelled leaves the session as it was', async () => {
      behind(1)
      const mail = await byMail('mails')
      await at(await ask(mail.page, asked), 'bind-totp')
      await cancel(mail.page)
      await refused(mail.page, 'access_denied')
      await assertUnchanged(mail.page, mail.claims)
      await at(await ask(mail.page, asked), 'bind-totp')

      behind(4)
      const app = await withApp()
      behind(1)
      await logIn(await ask(app.page, { max_age: '120' }), app.who)
      await at(app.page, 'verify-totp')
      await cancel(app.page)
      await refused(app.page, 'access_denied')
      await assertUnchanged(app.page, app.claims)
    })
  })

  // From a password, and from a mailed code to an app that is bound then: apache.test.ts.
  describe('for mod_auth_openidc', () => {
    test('a remembered device is asked for the code where the page wants mfa', async () => {
      behind(1)
      const { page, secret, claims } = await remembered()
      await page.goto(`${site.apache.rpUrl}/any/`)
      await at(page, 'any')
      assert.equal((await claimsOf(page)).acr, PWD)
      await leave(page, '/step-up/', `${site.apache.issuer}/interaction/**`)
      await at(page, 'verify-totp')
      await send(page, nextCode(site, secret))
      await at(page, 'step-up')
      const { sub, acr } = await claimsOf(page)
      assert.deepEqual([sub, acr], [claims.sub, MFA])
    })

    test('max_age: a sign-in of a minute ago lets in, one of four minutes ago is asked for password and factor', async () => {
      behind(2)
      const young = await withApp()
      behind(1)
      await young.page.goto(`${site.apache.rpUrl}/aged/`)
      await at(young.page, 'aged')
      assert.equal(young.requests.at(-1)?.searchParams.get('max_age'), '120')
      assert.equal((await claimsOf(young.page)).auth_time, `${young.claims.auth_time}`)

      behind(4)
      const { page, who, secret, claims } = await withApp()
      behind(1)
      await page.goto(`${site.apache.rpUrl}/aged/`)
      await logIn(page, who)
      await at(page, 'verify-totp')
      await send(page, nextCode(site, secret))
      await at(page, 'aged')
      const { sub, acr, auth_time } = await claimsOf(page)
      assert.deepEqual([sub, acr], [who.id, MFA])
      assert.ok(Number(auth_time) >= Number(claims.auth_time) + 120, `${auth_time}, before: ${claims.auth_time}`)
    })

    test('what cannot be met ends at its error page after one request, and other pages stay open', async () => {
      behind(1)
      const app = await withApp()
      const before = app.requests.length
      await app.page.goto(`${site.apache.rpUrl}/phrh/`)
      await refusedAtApache(app.page, UNMET)
      assert.equal(app.requests.length, before + 1)

      const { page, requests } = await byMail('mailbox')
      await page.goto(`${site.apache.rpUrl}/any/`)
      await at(page, 'any')
      const sent = requests.length
      await leave(page, '/step-up/', `${site.apache.redirectUri}?**`)
      await refusedAtApache(page, UNMET)
      assert.equal(requests.length, sent + 1)
      await page.goto(`${site.apache.rpUrl}/any/`)
      await at(page, 'any')
      assert.equal((await claimsOf(page)).acr, TWO)
    })

    test('a step-up that is cancelled raises nothing and lowers nothing', async () => {
      behind(1)
      const { page, claims } = await byMail('mails')
      await page.goto(`${site.apache.rpUrl}/any/`)
      await leave(page, '/step-up/', `${site.apache.issuer}/interaction/**`)
      await at(page, 'bind-totp')
      await cancel(page)
      await refusedAtApache(page, 'access_denied')
      await page.goto(`${site.apache.rpUrl}/any/`)
      await at(page, 'any')
      assert.equal((await claimsOf(page)).acr, TWO)
      assert.equal((await page.goto(`${site.apache.rpUrl}/mfa/`))?.status(), 403)
      await assertUnchanged(page, claims)
    })
  })
})
