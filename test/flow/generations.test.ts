import assert from 'node:assert/strict'
import { after, afterEach, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { rotateKeys } from '../../src/provider/keys.ts'
import { CLIENT, type RunningGateway, startGateway } from '../harness/gateway.ts'
import { type BrowserResponse, createBrowser } from '../harness/http-client.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { type Stores, startStores } from '../harness/stores.ts'

const REQUEST = new URLSearchParams({
  client_id: CLIENT.client_id,
  response_type: 'code',
  scope: 'openid',
  redirect_uri: CLIENT.redirect_uris[0],
  code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
  code_challenge_method: 'S256',
})

/** What follows from one reading of the file ends with the next one. */
describe('a generation ends what it opened', () => {
  let stores: Stores
  let smtp: SmtpService
  let gateway: RunningGateway | undefined
  before(async () => {
    stores = await startStores('embedded')
    smtp = await startSmtp()
  })
  afterEach(async () => {
    await gateway?.stop()
    gateway = undefined
  })
  after(async () => {
    await smtp.stop()
    await stores.stop()
  })

  async function start(mfa: Record<string, unknown>): Promise<RunningGateway> {
    const mail = { smtp: smtp.url, from: 'Example <id@example.test>' }
    gateway = await startGateway({ stores, config: { mail, mfa } })
    return gateway
  }

  /** The page after the password, with a code on its way. */
  async function mailedCode({ issuer, person }: RunningGateway): Promise<BrowserResponse> {
    const { username, email, password } = await person()
    const browser = createBrowser({ origin: issuer })
    const page = await browser.submit(await browser.get(`${issuer}/auth?${REQUEST}`), { username, password })
    assert.equal(page.page, 'verify-email')
    await smtp.waitFor(`${email}`)
    return page
  }

  async function closed(): Promise<boolean> {
    for (let turn = 0; turn < 100 && smtp.open > 0; turn++) await pause(20)
    return smtp.open === 0
  }

  const EMAIL = { enabled: true, methods: ['email'] }

  test('the connections to the mail server after a reload, and the next mail goes out', async () => {
    const running = await start(EMAIL)
    await mailedCode(running)
    assert.equal(smtp.open, 1, 'it is kept for the next mail')
    await running.reload({ branding: { name: 'Other' } })
    assert.ok(await closed(), `${smtp.open} connections are open`)
    await mailedCode(running)
    await running.reload({ branding: { name: 'Third' } })
    assert.ok(await closed(), 'and so on')
  })

  test('the same after a rotation of keys', async () => {
    const running = await start(EMAIL)
    await mailedCode(running)
    const { installation } = running
    await rotateKeys(installation, { kept: 0, audit: () => ({ event: 'key.rotated', outcome: 'ok' }) })
    await running.refreshKeys()
    assert.ok(await closed(), `${smtp.open} connections are open`)
  })

  test('the same after set-up', async () => {
    const running = await start({ methods: ['email'] })
    const { issuer, setupToken } = running
    const browser = createBrowser({ origin: issuer })
    const decision = { token: setupToken, decision: 'keep', understood: 'on' }
    const account = await browser.submit(await browser.get(`${issuer}/setup`), decision)
    const email = 'admin@example.test'
    const code = await browser.submit(account, { username: 'root-admin', email, password: 'violet anchors drift 7' })
    assert.equal(smtp.open, 1)
    await browser.submit(code, { code: smtp.codeFor(email) })
    assert.equal((await browser.get(`${issuer}/auth?${REQUEST}`)).page, 'login')
    assert.ok(await closed(), `${smtp.open} connections are open`)
  })

  test('a request that began before a reload still sends its mail', async () => {
    const running = await start(EMAIL)
    const { username, email, password } = await running.person()
    const browser = createBrowser({ origin: running.issuer })
    const login = await browser.get(`${running.issuer}/auth?${REQUEST}`)
    // Held until the next generation serves: the code is mailed by the one the request began in.
    const { accounts } = running.installation
    const { claimant } = accounts
    const reloaded = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    accounts.claimant = async (...given) => {
      arrived.resolve()
      await reloaded.promise
      return claimant(...given)
    }
    const answer = browser.submit(login, { username, password })
    await arrived.promise
    await running.reload({ branding: { name: 'Other' } })
    accounts.claimant = claimant
    reloaded.resolve()
    const page = await answer
    assert.deepEqual([page.page, page.error], ['verify-email', undefined])
    await smtp.waitFor(`${email}`)
    assert.ok(await closed(), 'and then its connections end')
  })
})

describe('whoever hung up', () => {
  test('gets the mail that was asked for, also when the configuration is read again meanwhile', async (t) => {
    const [stores, smtp] = [await startStores('embedded'), await startSmtp()]
    t.after(() => Promise.all([stores.stop(), smtp.stop()]))
    const mail = { smtp: smtp.url, from: 'Example <id@example.test>' }
    const mfa = { enabled: false, optOut: { understood: true, disableMfa: true }, methods: ['totp'] }
    const running = await startGateway({ stores, config: { mail, mfa } })
    t.after(() => running.stop())
    const { username, email } = await running.person()
    const browser = createBrowser({ origin: running.issuer })
    const page = await browser.get(`${running.issuer}/forgot`)
    const { state } = running.installation
    const { reserve } = state
    const [arrived, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    state.reserve = async (...given) => {
      arrived.resolve()
      await released.promise
      return reserve(...given)
    }
    const cookies = Object.entries(await browser.cookies(page.url)).map(([name, value]) => `${name}=${value}`)
    const hungUp = new AbortController()
    const body = new URLSearchParams({ ...page.form?.hidden, username })
    const headers = { cookie: cookies.join('; '), origin: running.issuer }
    const asked = fetch(page.url, { method: 'POST', headers, body, signal: hungUp.signal })
    await arrived.promise
    hungUp.abort()
    await assert.rejects(asked, { name: 'AbortError' })
    await running.reload({ branding: { name: 'Other' } })
    state.reserve = reserve
    released.resolve()
    await smtp.waitFor(`${email}`)
  })
})

describe('nobody has answered', () => {
  test('whether a second factor is needed: a rotation of keys answers no more than a start did (A10)', async (t) => {
    const stores = await startStores('embedded')
    t.after(() => stores.stop())
    const first = await startGateway({ stores, config: { mfa: { enabled: true, methods: ['totp'] } } })
    t.after(() => first.stop())
    await first.person()
    const { setupDecisions } = first.installation
    assert.equal((await setupDecisions.get())?.by, 'file')
    await first.installation.database.kysely.deleteFrom('settings').execute()
    await first.restart({ mfa: { methods: ['totp'] } })
    assert.equal(first.installation.setupDecision.from, 'accounts')
    await rotateKeys(first.installation, { kept: 0, audit: () => ({ event: 'key.rotated', outcome: 'ok' }) })
    await first.refreshKeys()
    assert.equal(await first.installation.setupDecisions.get(), undefined)
  })
})
