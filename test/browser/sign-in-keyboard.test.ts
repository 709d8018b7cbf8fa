import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { DAY, SECOND } from '../../src/kernel/clock.ts'
import { axe, decodeQr, violationsOf } from '../harness/browser.ts'
import { leavesOut } from '../harness/stores.ts'
import { backTo, focused, tabs } from './keyboard.ts'
import { answered, at, entryOf, fillIn, STEP, signInSite } from './sign-in-site.ts'

describe('signing in by keyboard, and what fills in forms', {
  skip: leavesOut('servers', ['chromium-headless-shell', 'redis-server', 'postgres']),
}, () => {
  const { site, person, browser, tab, start, enter, claimsOf, bind, shows, mailed } = signInSite()

  describe('on a phone, by keyboard alone', () => {
    const PHONE = { width: 320, height: 568 }

    test('a whole sign-in, and the focus is always seen', async () => {
      const who = await person('apps')
      const page = await at(await start(await tab(PHONE)), 'login')
      assert.equal(await focused(page), 'input#username')
      await page.keyboard.type(who.username)
      assert.deepEqual(await tabs(page, 1), ['input#password'])
      await page.keyboard.type(who.password)
      await answered(page, () => page.keyboard.press('Enter'))
      await at(page, 'bind-totp')
      const secret = entryOf(await decodeQr(page)).secret
      const path = await tabs(page, 6)
      const copy = path.filter((stop) => stop.includes('Copy'))
      assert.deepEqual(
        path.filter((stop) => !copy.includes(stop)).slice(0, 5),
        ['input#code', 'input#label', 'input[name=remember]', 'button "Finish set-up"', 'button "Cancel"'].slice(
          0,
          6 - copy.length,
        ),
      )
      await backTo(page, 'input#code')
      await page.keyboard.type(shows(secret))
      await tabs(page, 1)
      await page.keyboard.type('my phone')
      await tabs(page, 1)
      await page.keyboard.press('Space')
      await tabs(page, 1)
      await page.keyboard.press('Enter')
      await page.waitForURL(`${site.party().url}/`)
      const [binding] = await site.gateway.installation.bindings.list(who.id)
      assert.equal(binding?.label, 'my phone')
      const cookies = await page.context().cookies(site.gateway.issuer)
      const kept = cookies.find(({ expires }) => expires > (Date.now() + 20 * DAY) / SECOND)
      assert.ok(kept !== undefined, 'Space has ticked the box')
    })

    test('a way is chosen by keyboard', async () => {
      const page = await at(await enter(await tab(PHONE), await person('both')), 'choose')
      assert.deepEqual(await tabs(page, 2), [
        'button "Authenticator app A code from an app on your phone"',
        'button "Code by email To u•••@e•••.test"',
      ])
      await answered(page, () => page.keyboard.press('Enter'))
      await at(page, 'verify-email')
    })

    for (const group of ['apps', 'mails'] as const) {
      test(`Enter in the code field goes on, and neither cancels nor sends again: ${group}`, async () => {
        const who = await person(group)
        const secret = group === 'apps' ? await bind(await tab(), who) : ''
        site.gateway.clock.advance(STEP)
        const page = await enter(await tab(PHONE), who)
        assert.equal(await focused(page), 'input#code', 'the code can be typed at once')
        await page.keyboard.type(group === 'apps' ? shows(secret) : mailed(who))
        await page.keyboard.press('Enter')
        await page.waitForURL(`${site.party().url}/`)
        assert.equal((await claimsOf(page)).sub, who.id)
      })
    }

    test('a wrong code is told, and the next one can be typed at once', async () => {
      const who = await person('mails')
      const page = await at(await enter(await tab(PHONE), who), 'verify-email')
      await page.keyboard.type('1')
      await answered(page, () => page.keyboard.press('Enter'))
      await at(page, 'verify-email', 'code')
      assert.equal(await focused(page), 'input#code')
      assert.equal(await page.locator('#code').getAttribute('aria-describedby'), 'problem')
      assert.equal(await page.locator('#problem[role=alert]').count(), 1)
      assert.deepEqual(violationsOf(await axe(page)), [])
    })
  })

  test('password managers and phones know what to fill in', async () => {
    const who = await person('mails')
    const page = await at(await start(await tab()), 'login')
    assert.deepEqual(await hintsOf(page, ['username', 'password']), [
      { type: 'text', autocomplete: 'username', label: 'User name' },
      { type: 'password', autocomplete: 'current-password', label: 'Password' },
    ])
    assert.equal(await page.locator('form').count(), 1)
    await page.getByRole('button', { name: 'Show password' }).click()
    assert.equal(await page.locator('#password').getAttribute('type'), 'text')
    await fillIn(page, who)
    await at(page, 'verify-email')
    assert.deepEqual(await hintsOf(page, ['code']), [
      { type: 'text', autocomplete: 'one-time-code', label: '6-digit code' },
    ])
    assert.equal(await page.locator('#code').getAttribute('inputmode'), 'numeric')
  })

  test('the key is copied to the clipboard as one word', async () => {
    const context = await browser()
    await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: site.gateway.issuer })
    const page = await at(await enter(await context.newPage(), await person('apps')), 'bind-totp')
    await page.getByRole('button', { name: 'Copy' }).click()
    await page.getByRole('button', { name: 'Copied' }).waitFor()
    const copied = await page.evaluate(() => navigator.clipboard.readText())
    assert.equal(copied, entryOf(await decodeQr(page)).secret)
  })
})

async function hintsOf(page: Page, ids: string[]): Promise<Record<string, string>[]> {
  return page.evaluate(
    (wanted) =>
      wanted.map((id) => {
        const field = document.getElementById(id) as HTMLInputElement
        const label = field.labels?.[0]?.textContent ?? ''
        return { type: field.type, autocomplete: field.autocomplete, label }
      }),
    ids,
  )
}
