import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { MINUTE } from '../../src/kernel/clock.ts'
import { decodeQr } from '../harness/browser.ts'
import { leavesOut } from '../harness/stores.ts'
import { wrongCode } from '../harness/totp-app.ts'
import { answered, at, entryOf, fillIn, STEP, send, signInSite, textOf } from './sign-in-site.ts'

describe('signing in with a browser', {
  skip: leavesOut('servers', ['chromium-headless-shell', 'redis-server', 'postgres']),
}, () => {
  const { site, person, browser, tab, start, enter, claimsOf, shows, mailed } = signInSite()

  for (const javaScript of ['on', 'off'] as const) {
    test(`first sign-in with the app, then the second one: scripts ${javaScript}`, async () => {
      const who = await person('apps')
      const first = await at(await enter(await tab({ javaScript }), who), 'bind-totp')
      const entry = entryOf(await decodeQr(first))
      assert.deepEqual({ ...entry, secret: '' }, { secret: '', issuer: 'Example', name: `Example:${who.username}` })
      const key = (await textOf(first, '[data-secret]')).replace(/\s/g, '')
      assert.equal(key, entry.secret, 'the key to type is the one in the picture')
      const used = shows(entry.secret)
      await send(first, used)
      const { amr, acr, sub } = await claimsOf(first)
      assert.deepEqual([sub, acr, amr], [who.id, 'urn:stepgate:acr:mfa', ['pwd', 'otp', 'mfa']])

      const second = await at(await enter(await tab({ javaScript }), who), 'verify-totp')
      await send(second, used)
      await at(second, 'verify-totp', 'code')
      assert.equal(await second.inputValue('[name=code]'), '', 'a code is used once, and not shown again')
      site.gateway.clock.advance(STEP)
      await send(second, wrongCode(entry.secret, site.gateway.clock.now()))
      await at(second, 'verify-totp', 'code')
      await send(second, shows(entry.secret))
      assert.equal((await claimsOf(second)).acr, 'urn:stepgate:acr:mfa')
    })

    test(`a code from the mail, after a wrong one: scripts ${javaScript}`, async () => {
      const who = await person('mails')
      const page = await at(await enter(await tab({ javaScript }), who), 'verify-email')
      assert.ok(!(await textOf(page, 'main')).includes(`${who.email}`), 'the address is masked')
      await send(page, `${(Number(mailed(who)) + 1) % 1_000_000}`.padStart(6, '0'))
      await at(page, 'verify-email', 'code')
      await send(page, mailed(who))
      assert.equal((await claimsOf(page)).acr, 'urn:stepgate:acr:2sv')
    })

    test(`a remembered browser is asked for the password alone, another one for the code: scripts ${javaScript}`, async () => {
      const who = await person('mails')
      const page = await at(await enter(await tab({ javaScript }), who), 'verify-email')
      await page.locator('[name=remember]').check()
      await send(page, mailed(who))
      await claimsOf(page)

      await page.goto(`${site.party().url}/logout`)
      if (javaScript === 'off') {
        await at(page, 'logout')
        await page.locator('[name=logout]').click()
      }
      await page.waitForURL(`${site.party().url}/signed-out`)
      await enter(page, who)
      assert.equal((await claimsOf(page)).acr, 'urn:stepgate:acr:pwd', 'what is remembered raises no level')
      await at(await enter(await tab({ javaScript }), who), 'verify-email')
    })
  }

  test('one of several ways is picked; who then does not bind is let in by what was proved', async () => {
    const who = await person('both')
    const page = await at(await enter(await tab(), who), 'choose')
    await answered(page, () => page.locator('button[value=totp]').click())
    await at(page, 'verify-email')
    assert.match(await textOf(page, '[role=status]'), /^Before you set up the app/)
    await send(page, mailed(who))
    await at(page, 'bind-totp')
    await answered(page, () => page.locator('button[value=choose]').click())
    await claimsOf(page)
  })

  test('a new code is asked for once the wait is over, and the old one is dead', async () => {
    const who = await person('mails')
    const page = await at(await enter(await tab(), who), 'verify-email')
    const resend = page.locator('button[value=resend]')
    assert.match(await textOf(page, 'button[value=resend]'), /^Send a new code in (1:00|0:5\d)$/)
    assert.ok(await resend.isDisabled())
    const old = mailed(who)
    site.gateway.clock.advance(MINUTE)
    await page.reload()
    site.smtp.clear()
    await resend.click()
    await page.getByRole('status').waitFor()
    assert.match(await textOf(page, '[role=status]'), /^A new code is on its way/)
    await send(page, old)
    await at(page, 'verify-email', old === mailed(who) ? undefined : 'code')
    await send(page, mailed(who))
    await claimsOf(page)
  })

  test('the back button shows where the sign-in stands, and the code still lets in', async () => {
    const who = await person('mails')
    const page = await at(await enter(await tab(), who), 'verify-email')
    await page.goBack()
    await at(page, 'verify-email')
    await send(page, mailed(who))
    assert.equal((await claimsOf(page)).sub, who.id)
  })

  test('back from the application into the sign-in, a link leads forward again', async () => {
    const who = await person('mails')
    const page = await at(await enter(await tab(), who), 'verify-email')
    await send(page, mailed(who))
    await claimsOf(page)
    await page.goBack()
    await at(page, 'error', 'expired')
    await answered(page, () => page.getByRole('link', { name: 'Continue' }).click())
    assert.equal((await claimsOf(page)).sub, who.id, 'still signed in there')
    await start(page)
    assert.equal((await claimsOf(page)).sub, who.id, 'and here')
  })

  test('two tabs sign in side by side, each with its own code', async () => {
    const who = await person('mails')
    const context = await browser()
    const before = await enter(await tab(), who)
    await send(before, mailed(who))
    const [one, two] = [await context.newPage(), await context.newPage()]
    await at(await enter(one, who), 'verify-email')
    const codeOne = mailed(who)
    await at(await enter(two, who), 'verify-email')
    const codeTwo = mailed(who)
    await send(two, codeTwo)
    await claimsOf(two)
    await send(one, codeOne)
    assert.equal((await claimsOf(one)).sub, who.id)
  })

  test('a page left open until it has expired leads back to a new start', async () => {
    const who = await person('mails')
    const page = await at(await start(await tab()), 'login')
    site.gateway.clock.advance(16 * MINUTE)
    await fillIn(page, who).finally(() => site.gateway.clock.advance(-16 * MINUTE))
    await at(page, 'error', 'expired')
    await answered(page, () => page.getByRole('link', { name: 'Start again' }).click())
    assert.equal(page.url(), `${site.party().url}/`, 'the application has forgotten its request by now')
    await answered(page, () => page.getByRole('link', { name: 'Sign in' }).click())
    await at(page, 'login')
    await fillIn(page, who)
    await send(page, mailed(who))
    assert.equal((await claimsOf(page)).sub, who.id)
  })

  test('a form that is sent twice signs in once', async () => {
    const who = await person('mails')
    const page = await at(await enter(await tab({ javaScript: 'off' }), who), 'verify-email')
    await page.fill('[name=code]', mailed(who))
    await page.locator('button.primary').dblclick()
    // Not a wait for the address: the second click may end the navigation that the first one began.
    await page.locator('#claims').waitFor()
    assert.equal((await claimsOf(page)).sub, who.id)
  })

  test('cancel tells the application', async () => {
    const page = await at(await start(await tab()), 'login')
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.waitForURL(`${site.party().url}/callback?**`)
    assert.equal(await textOf(page, '#error'), 'access_denied')
  })

  describe('in Swedish', () => {
    async function inSwedish(page: Page): Promise<void> {
      const who = await person('mails')
      assert.equal(await page.locator('html').getAttribute('lang'), 'sv')
      assert.equal(await textOf(page, 'button.primary'), 'Logga in')
      await fillIn(page, who)
      await at(page, 'verify-email')
      assert.equal(await page.locator('html').getAttribute('lang'), 'sv')
      const mail = await site.smtp.waitFor(`${who.email}`)
      assert.match(mail.headers.get('content-language') ?? mail.subject, /^sv|inloggning/i)
      await send(page, mailed(who))
      await claimsOf(page)
    }

    test('as the application asks', async () => inSwedish(await start(await tab(), '?ui_locales=fi%20sv-FI%20en')))
    test('as the browser prefers', async () => inSwedish(await start(await tab({ locale: 'sv-SE' }))))
  })
})
