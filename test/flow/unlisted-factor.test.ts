import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { METHODS_SETTING } from '../../src/app/decisions.ts'
import { KINDS } from '../../src/mfa/factors/registry.ts'
import { createSmsLog } from '../factors/sms-log/sms-log.ts'
import { type Person, type RunningGateway, startGateway } from '../harness/gateway.ts'
import { type Browser, type BrowserResponse, createBrowser } from '../harness/http-client.ts'
import { type RelyingParty, startRelyingParty } from '../harness/relying-party.ts'
import { freePort } from '../harness/services.ts'
import { startSmtp } from '../harness/smtp.ts'
import { type Stores, startStores } from '../harness/stores.ts'
import { codeAt } from '../harness/totp-app.ts'

const seen = ({ status, page, error }: BrowserResponse) => `${status} ${page} ${error ?? ''}`

describe('a kind of factor of somebody else', () => {
  let stores: Stores
  const opened: { stop(): Promise<void> }[] = []
  before(async () => {
    stores = await startStores('embedded')
  })
  after(async () => {
    for (const one of opened.toReversed()) await one.stop()
    await stores.stop()
  })

  interface Site {
    gateway: RunningGateway
    rp: RelyingParty
    sms: ReturnType<typeof createSmsLog>
    browser(): Browser
    enter(browser: Browser, person: Person): Promise<BrowserResponse>
    codes(person: Person): string[]
  }

  async function open(config: Record<string, unknown>): Promise<Site> {
    const port = await freePort()
    const rp = await startRelyingParty({ issuer: `http://127.0.0.1:${port}` })
    opened.push(rp)
    const sms = createSmsLog()
    const gateway = await startGateway({
      stores,
      port,
      kinds: [...KINDS, sms.kind],
      config: { clients: [rp.client], ...config },
    })
    opened.push(gateway)
    return {
      gateway,
      rp,
      sms,
      browser: () => createBrowser({ origin: gateway.issuer }),
      async enter(browser, person) {
        const page = await browser.get(await rp.authorize())
        return browser.submit(page, { username: person.username, password: person.password })
      },
      codes: (person) => sms.sent.get(person.id) ?? [],
    }
  }

  async function withMail() {
    const smtp = await startSmtp()
    opened.push(smtp)
    return { smtp, mail: { smtp: smtp.url, from: 'Example <id@example.test>' } }
  }

  const bound = ({ gateway }: Site, page: BrowserResponse) => {
    const secret = page.text('[data-secret]')
    return codeAt(secret, gateway.clock.now())
  }

  for (const guard of ['auto', 'password'] as const) {
    test(`registered and not listed, it guards nothing: guard ${guard}`, async () => {
      const site = await open({ mfa: { enabled: true, methods: ['totp'], enrolment: { guard } } })
      const browser = site.browser()
      const person = await site.gateway.person()
      const page = await site.enter(browser, person)
      assert.equal(page.page, 'bind-totp', seen(page))
      const end = await browser.submit(page, { code: bound(site, page) })
      const { claims } = await site.rp.callback(`${end.location}`)
      assert.deepEqual([claims.acr, claims.amr], ['urn:stepgate:acr:mfa', ['pwd', 'otp', 'mfa']])
      assert.deepEqual(site.codes(person), [])
    })
  }

  test('nor beside the mailbox, which guards although it is not listed either', async () => {
    const { smtp, mail } = await withMail()
    const site = await open({ mail, mfa: { enabled: true, methods: ['totp'] } })
    const browser = site.browser()
    const person = await site.gateway.person()
    const page = await site.enter(browser, person)
    assert.equal(page.page, 'verify-email', seen(page))
    const next = await browser.submit(page, { code: smtp.codeFor(`${person.email}`) })
    assert.equal(next.page, 'bind-totp', seen(next))
    assert.deepEqual(site.codes(person), [])
  })

  test('it is switched on by nothing: not by `auto`, and no account has it', async () => {
    const { mail } = await withMail()
    for (const config of [{}, { mail }]) {
      const site = await open({ ...config, mfa: { enabled: true, methods: 'auto' } })
      const decided = await site.gateway.installation.settings.get(METHODS_SETTING)
      assert.equal(decided, 'mail' in config ? 'email' : 'totp')
      const person = await site.gateway.person({ email: null })
      const page = await site.enter(site.browser(), person)
      assert.notEqual(page.page, 'verify-sms-log')
      assert.equal(page.body.includes('sms-log'), false)
      assert.deepEqual(site.codes(person), [])
    }
  })

  test('a password alone stays a password alone where policy asks for a factor only of whoever has one', async () => {
    const off = { enabled: false, optOut: { understood: true, disableMfa: true }, methods: ['totp'] }
    const site = await open({ mfa: off })
    const person = await site.gateway.person()
    const end = await site.enter(site.browser(), person)
    const { claims } = await site.rp.callback(`${end.location}`)
    assert.deepEqual([claims.acr, claims.amr], ['urn:stepgate:acr:pwd', ['pwd']])
  })

  test('listed, it signs in', async () => {
    const site = await open({ mfa: { enabled: true, methods: ['sms-log'], 'sms-log': { sender: 'Example' } } })
    const browser = site.browser()
    const person = await site.gateway.person()
    const page = await site.enter(browser, person)
    assert.equal(page.page, 'verify-sms-log', seen(page))
    const wrong = await browser.submit(page, { code: 'none' })
    assert.equal(wrong.error, 'code', seen(wrong))
    const end = await browser.submit(wrong, { code: `${site.codes(person).at(-1)}` })
    const { claims } = await site.rp.callback(`${end.location}`)
    assert.deepEqual([claims.acr, claims.amr], ['urn:stepgate:acr:2sv', ['pwd', 'otp', 'sms', 'mfa']])
  })

  test('listed, it guards the binding of another one, and may be picked', async () => {
    const site = await open({ mfa: { enabled: true, methods: ['sms-log', 'totp'] } })
    const browser = site.browser()
    const person = await site.gateway.person()
    const choice = await site.enter(browser, person)
    assert.equal(choice.page, 'choose', seen(choice))
    const page = await browser.submit(choice, { method: 'totp' })
    assert.equal(page.page, 'verify-sms-log', seen(page))
    const next = await browser.submit(page, { code: `${site.codes(person).at(-1)}` })
    assert.equal(next.page, 'bind-totp', seen(next))
  })

  test('what was bound while it was listed is no factor once it is not', async () => {
    const site = await open({ mfa: { enabled: true, methods: ['sms-log'] } })
    const person = await site.gateway.person()
    const browser = site.browser()
    const page = await site.enter(browser, person)
    await browser.submit(page, { code: `${site.codes(person).at(-1)}` })
    const [binding] = await site.gateway.installation.bindings.list(person.id)
    assert.equal(binding?.type, 'sms-log')
    await site.gateway.reload({ mfa: { enabled: true, methods: ['totp'] } })
    const again = await site.enter(site.browser(), person)
    assert.equal(again.page, 'bind-totp', seen(again))
    assert.equal(site.codes(person).length, 1)
  })
})
