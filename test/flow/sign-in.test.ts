import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type RunningGateway, type Stores, startGateway, startStores } from '../harness/gateway.ts'
import { createBrowser } from '../harness/http-client.ts'
import { codeAt } from '../harness/totp-app.ts'

for (const kind of ['embedded'] as const) {
  describe(`sign-in on ${kind}`, () => {
    let stores: Stores
    let gateway: RunningGateway
    before(async () => {
      stores = await startStores(kind)
      gateway = await startGateway({ stores })
    })
    after(async () => {
      await gateway.stop()
      await stores.stop()
    })
    test('password, then the app is bound, then the relying party gets a code', async () => {
      const person = await gateway.person()
      const browser = createBrowser()
      const url = `${gateway.issuer}/auth?client_id=app&response_type=code&scope=openid&redirect_uri=${encodeURIComponent('http://127.0.0.1:9/callback')}&state=x&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256`
      let page = await browser.get(url)
      console.log(page.status, page.page, page.url, page.body.slice(0, 1500))
      page = await browser.submit(page, { username: person.username, password: person.password })
      console.log(page.status, page.page, page.error, page.url)
      assert.equal(page.page, 'bind-totp')
      const secret = page.text('[data-secret]')
      page = await browser.submit(page, { code: codeAt(secret, Date.now()) })
      console.log(page.status, page.page, page.error, page.location)
      assert.match(String(page.location), /code=/)
    })
  })
}
