import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { BrowserResponse } from '../harness/http-client.ts'
import { codeSent, press } from './account-site.ts'
import { type Browser, type Member, newMember, onStores, signInAt, type TestSite } from './protocol-site.ts'

const NEXT = 'seven green bicycles'

onStores('embedded', 'applications whose sessions end on the account page (LO-4)', (testSite) => {
  const site = testSite({ mail: 'on', parties: { app: { backChannel: 'on' } } })

  async function told(sid: unknown): Promise<boolean> {
    for (let tries = 0; tries < 100; tries += 1) {
      if (site.party().logouts.some((logout) => logout.sid === sid)) return true
      await pause(20)
    }
    return false
  }

  const changes: Record<string, (browser: Browser, page: BrowserResponse, member: Member) => Promise<BrowserResponse>> =
    {
      'a new password': (browser, page, { password }) =>
        press(browser, page, { action: 'password', fields: { password, newPassword: NEXT, newPasswordAgain: NEXT } }),
      async 'a new address'(browser, page, { username }) {
        const address = `new-${username}@example.test`
        const sent = await codeSent(site, address, () =>
          press(browser, page, { action: 'address', fields: { address } }),
        )
        return browser.submit(sent.page, { code: sent.code })
      },
    }

  for (const [name, change] of Object.entries(changes)) {
    test(`hear of it at once, and the one in this browser hears nothing: ${name}`, async () => {
      const member = await newMember(site)
      const [own, other] = [site.browser(), site.browser()]
      const kept = await signInAt(site, own, member)
      const ended = await signInAt(site, other, member)
      const done = await change(own, await own.get(accountOf(site)), member)
      assert.equal(done.page, 'account', `${done.status} ${done.page} ${done.error}`)
      assert.match(done.url, /done=(password|address)-changed/)
      assert.equal(await told(ended.claims.sid), true)
      assert.ok(!site.party().logouts.some(({ sid }) => sid === kept.claims.sid))
      assert.deepEqual(site.party().refusedLogouts, [])
    })
  }
})

const accountOf = ({ gateway }: TestSite): string => `${gateway.issuer}/account`
