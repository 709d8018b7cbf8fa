import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { BrowserResponse } from '../harness/http-client.ts'
import { codeSent, press } from './account-site.ts'
import { type Browser, type Member, onStores, type ProtocolSite } from './protocol-site.ts'

const NEXT = 'seven green bicycles'

onStores('embedded', 'applications whose sessions end on the account page (LO-4)', (site) => {
  const here = site({ mail: 'on', parties: { app: { backChannel: 'on' } } })

  async function told(sid: unknown): Promise<boolean> {
    for (let tries = 0; tries < 100; tries += 1) {
      if (here.party().logouts.some((logout) => logout.sid === sid)) return true
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
        const sent = await codeSent(here, address, () =>
          press(browser, page, { action: 'address', fields: { address } }),
        )
        return browser.submit(sent.page, { code: sent.code })
      },
    }

  for (const [name, change] of Object.entries(changes)) {
    test(`hear of it at once, and the one in this browser hears nothing: ${name}`, async () => {
      const member = await here.member()
      const [own, other] = [here.browser(), here.browser()]
      const kept = await here.signIn(own, member)
      const ended = await here.signIn(other, member)
      const done = await change(own, await own.get(accountOf(here)), member)
      assert.equal(done.page, 'account', `${done.status} ${done.page} ${done.error}`)
      assert.match(done.url, /done=(password|address)-changed/)
      assert.equal(await told(ended.claims.sid), true)
      assert.ok(!here.party().logouts.some(({ sid }) => sid === kept.claims.sid))
      assert.deepEqual(here.party().refusedLogouts, [])
    })
  }
})

const accountOf = ({ gateway }: ProtocolSite): string => `${gateway.issuer}/account`
