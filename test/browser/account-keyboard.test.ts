import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Page } from 'playwright-core'
import { createActivations } from '../../src/accounts/activation.ts'
import { axe, type Chromium, decodeQr, startChromium, violationsOf } from '../harness/browser.ts'
import { type RunningGateway, startGateway } from '../harness/gateway.ts'
import { needs } from '../harness/needs.ts'
import { type Stores, startStores } from '../harness/stores.ts'
import { codeAt, wrongCode } from '../harness/totp-app.ts'
import { requestOf } from './gallery.ts'
import { backTo, focused, tabs, tabTo, typeInto } from './keyboard.ts'
import { answered, at, entryOf, textOf } from './sign-in-site.ts'

const PASSWORD = 'violet anchors drift 7'
const NEXT = 'copper lanterns hum 31'
const CONFIG = { mfa: { enabled: true, methods: ['totp'], enrolment: { guard: 'password' } } }

describe('by keyboard alone, on a phone, with scripts off', { skip: needs('chromium-headless-shell') }, () => {
  let stores: Stores
  let chromium: Chromium
  before(async () => {
    ;[stores, chromium] = await Promise.all([startStores('embedded'), startChromium()])
  })
  after(async () => {
    await chromium?.close()
    await stores?.stop()
  })

  async function phone(config: Record<string, unknown>): Promise<{ gateway: RunningGateway; page: Page }> {
    const gateway = await startGateway({ stores, config })
    const context = await chromium.newContext({ javaScript: 'off', width: 320, height: 568 })
    return { gateway, page: await context.newPage() }
  }

  test('set-up, from the token to the entry of the first application', async () => {
    const { gateway, page } = await phone({ mfa: { methods: ['totp'] } })
    try {
      await page.goto(`${gateway.issuer}/setup`)
      await typeInto(page, { 'input#token': gateway.setupToken })
      assert.deepEqual(await tabs(page, 1), ['input[name=decision]'])
      await page.keyboard.press('Space')
      await enter(page)
      await at(page, 'setup', 'confirm')
      assert.equal(await alone(page), 'problem', 'who cannot see it hears it first')
      await tabTo(page, 'input[name=decision]')
      await page.keyboard.press('Space')
      assert.deepEqual(await tabs(page, 1), ['input[name=understood]'])
      await page.keyboard.press('Space')
      assert.deepEqual(await tabs(page, 1), ['button "Continue"'])
      await enter(page)
      const fields = { 'input#username': 'root-admin', 'input#email': 'root@example.test' }
      await typeInto(page, { ...fields, 'input#password': 'short' })
      await enter(page)
      await at(page, 'setup', 'password')
      assert.equal(await alone(page), 'problem')
      assert.deepEqual(await tabs(page, 2), Object.keys(fields), 'what was typed is still there')
      await typeInto(page, { 'input#password': PASSWORD })
      await enter(page)
      const { secret } = entryOf(await decodeQr(page))
      await tabTo(page, 'input#code')
      await page.keyboard.type(codeAt(secret, gateway.clock.now()))
      await enter(page)
      assert.deepEqual(await tabs(page, 1), ['select#preset'])
      await typeInto(page, { 'input#client_id': 'wiki', 'input#redirect': 'https://wiki.example.com/callback' })
      await enter(page)
      assert.deepEqual(violationsOf(await axe(page)), [])
      await tabTo(page, 'button "Done"')
      await enter(page)
      await at(page, 'login')
      assert.equal((await gateway.installation.accounts.findByLogin('root-admin'))?.admin, true)
    } finally {
      await page.context().close()
      await gateway.stop()
    }
  })

  test('from the activation link to a first sign-in, and what a person looks after', async () => {
    const { gateway, page } = await phone(CONFIG)
    const { installation, issuer, clock } = gateway
    try {
      const { id, username } = await gateway.person()
      const account = await installation.accounts.find(id)
      assert.ok(account)

      // Activation and sign-in, with the browser remembered.
      await page.goto(`${issuer}/activate/${await createActivations(installation).create(account)}`)
      await typeInto(page, { 'input#password': 'short', 'input#passwordAgain': 'short' })
      await enter(page)
      await at(page, 'activate', 'password')
      await typeInto(page, { 'input#password': PASSWORD, 'input#passwordAgain': PASSWORD })
      await enter(page)
      await at(page, 'password-set')
      assert.deepEqual(await tabs(page, 1), ['a "Go to your account"'])
      await enter(page)
      await at(page, 'login')
      // An application asks to remember the browser; the account page never does.
      await page.goto(requestOf(issuer, { client_id: 'app' }))
      await typeInto(page, { 'input#username': username, 'input#password': PASSWORD })
      await enter(page)
      await bindApp(page, clock.now(), 'remember')
      // Nothing answers where the application would be.
      await page.goto(`${issuer}/account`)
      await at(page, 'account')

      // A remembered browser is forgotten.
      await tabTo(page, 'button "Forget"')
      await enter(page)
      assert.match(await textOf(page, '#devices'), /remembered no longer.*No browser is remembered/)

      // Another app is added, after a wrong code.
      await tabTo(page, 'button "Add an authenticator app"')
      await enter(page)
      await at(page, 'bind-totp')
      const { secret } = entryOf(await decodeQr(page))
      await tabTo(page, 'input#code')
      await page.keyboard.type(wrongCode(secret, clock.now()))
      await enter(page)
      await at(page, 'bind-totp', 'code')
      assert.equal(await alone(page), 'problem')
      await bindApp(page, clock.now())
      assert.match(await textOf(page, '#factors'), /The new second step is set up/)
      assert.equal((await installation.bindings.list(id)).length, 2)

      // Recovery codes are made and kept.
      await tabTo(page, 'button "Make recovery codes"')
      await enter(page)
      await at(page, 'recovery-codes')
      assert.equal(await page.locator('[data-code]').count(), 10)
      assert.deepEqual(await tabs(page, 1), ['button "I have kept them"'])
      await enter(page)
      await at(page, 'account')

      // The password is changed, after one that is too short.
      await tabTo(page, 'summary "Change password"')
      await page.keyboard.press('Space')
      assert.deepEqual(violationsOf(await axe(page)), [])
      await typeInto(page, {
        'input#current-password': PASSWORD,
        'input#new-password': 'short',
        'input#new-password-again': 'short',
      })
      await enter(page)
      await at(page, 'account', 'password')
      assert.equal(await focused(page), 'input#new-password', 'the form is open, at the field that is wrong')
      await backTo(page, 'input#current-password')
      await typeInto(page, {
        'input#current-password': PASSWORD,
        'input#new-password': NEXT,
        'input#new-password-again': NEXT,
      })
      await enter(page)
      assert.match(await textOf(page, '#password'), /Your password is changed/)
    } finally {
      await page.context().close()
      await gateway.stop()
    }
  })
})

async function enter(page: Page): Promise<void> {
  await answered(page, () => page.keyboard.press('Enter'))
}

/** The id of what has the focus, such as a message, which is read out and shows no ring. */
async function alone(page: Page): Promise<string | undefined> {
  return page.evaluate(() => document.activeElement?.id)
}

/** Binds the app whose key is shown; `remember` ticks that box. */
async function bindApp(page: Page, now: number, remember?: 'remember'): Promise<void> {
  await at(page, 'bind-totp', remember === undefined ? 'code' : undefined)
  const { secret } = entryOf(await decodeQr(page))
  await tabTo(page, 'input#code')
  await page.keyboard.type(codeAt(secret, now))
  if (remember !== undefined) {
    await tabTo(page, 'input[name=remember]')
    await page.keyboard.press('Space')
  }
  await tabTo(page, 'button "Finish set-up"')
  await enter(page)
}
