import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Chromium, decodeQr, startChromium } from '../harness/browser.ts'
import { type RunningGateway, startGateway } from '../harness/gateway.ts'
import { needs } from '../harness/needs.ts'
import { type Stores, startStores } from '../harness/stores.ts'
import { codeAt } from '../harness/totp-app.ts'

describe('set-up with a browser', { skip: needs('chromium-headless-shell') }, () => {
  let stores: Stores
  let chromium: Chromium
  before(async () => {
    ;[stores, chromium] = await Promise.all([startStores('embedded'), startChromium()])
  })
  after(() => Promise.all([stores.stop(), chromium.close()]))

  for (const javaScript of ['on', 'off'] as const) {
    test(`from the console’s token to the entry of the first application: scripts ${javaScript}`, async () => {
      const gateway: RunningGateway = await startGateway({ stores, config: { mfa: { methods: ['totp'] } } })
      const context = await chromium.newContext({ javaScript, locale: 'en' })
      try {
        const page = await context.newPage()
        const press = (): Promise<unknown> =>
          Promise.all([page.waitForURL('**/setup', { waitUntil: 'load' }), page.locator('button.primary').click()])
        await page.goto(`${gateway.issuer}/`)
        await page.locator('[name=token]').fill(gateway.setupToken)
        const disable = page.locator('[name=disableMfa]')
        assert.equal(await disable.isVisible(), false, 'the second confirmation belongs to the other answer')
        await page.getByLabel('Not now').check()
        assert.equal(await disable.isVisible(), true)
        await page.getByLabel('Keep MFA on').check()
        await page.locator('[name=understood]').check()
        await press()
        await page.getByLabel('User name').fill('root-admin')
        await page.getByLabel('Email address').fill('root@example.test')
        await page.getByLabel('Password', { exact: true }).fill('violet anchors drift 7')
        await press()
        const secret = new URL(await decodeQr(page)).searchParams.get('secret') ?? ''
        await page.locator('[name=code]').fill(codeAt(secret, gateway.clock.now()))
        await press()
        await page.locator('[name=preset]').selectOption('nocobase')
        await page.getByLabel('Client ID').fill('nocobase')
        await page.getByLabel('Redirect address').fill('https://app.example.com/callback')
        await press()
        assert.match(`${await page.locator('[data-yaml]').textContent()}`, /client_secret: [\w-]{43}\n/)
        assert.equal((await gateway.installation.accounts.findByLogin('root-admin'))?.admin, true)
      } finally {
        await context.close()
        await gateway.stop()
      }
    })
  }
})
