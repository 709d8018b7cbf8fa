import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { createGateway } from '../../src/app/gateway.ts'
import { type Installation, openInstallation } from '../../src/app/installation.ts'
import type { AuditEventName } from '../../src/audit/audit.ts'
import { warnAtStart } from '../../src/cli/start-warnings.ts'
import { configFrom } from '../../src/config/reading/load.ts'
import { MINUTE } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { type Log, silentLog } from '../../src/kernel/log.ts'
import { BLOCKS } from '../../src/mfa/factors/registry.ts'
import { CLIENT, type RunningGateway, startGateway, testHasher } from '../harness/gateway.ts'
import { type Browser, type BrowserResponse, createBrowser, type Fields } from '../harness/http-client.ts'
import { freePort } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { onStores, STORES_KINDS, type Stores, startStores } from '../harness/stores.ts'
import { codeAt, wrongCode } from '../harness/totp-app.ts'
import { assertPage, newAddress, otherCode } from './person-site.ts'

const KEEP = { decision: 'keep', understood: 'on' } as const
const OFF = { decision: 'off', understood: 'on', disableMfa: 'on' } as const
const ADMIN = { username: 'root-admin', email: 'admin@example.test', password: 'violet anchors drift 7' } as const
const TOTP = { mfa: { methods: ['totp'] } }

const requestTo = (issuer: string): string =>
  `${issuer}/auth?${new URLSearchParams({
    client_id: CLIENT.client_id,
    response_type: 'code',
    scope: 'openid',
    redirect_uri: CLIENT.redirect_uris[0],
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
  })}`

/** Gateways of one test on stores of their own, ended after it. */
function gateways(stores: () => Stores) {
  const running: RunningGateway[] = []
  afterEach(async () => {
    for (const gateway of running.splice(0)) await gateway.stop()
  })
  return async (config: Record<string, unknown> = TOTP, log?: Log): Promise<RunningGateway> => {
    const port = await freePort()
    const listen = { port, trustedProxies: ['127.0.0.1'] }
    const options = { stores: stores(), port, config: { listen, ...config } }
    const gateway = await startGateway({ ...options, ...(log !== undefined && { log }) })
    running.push(gateway)
    return gateway
  }
}

function someone(gateway: RunningGateway, address = newAddress()): Browser {
  return createBrowser({ origin: gateway.issuer, headers: { 'x-forwarded-for': address } })
}

/** The page after the token and the decision. */
async function decide(gateway: RunningGateway, browser: Browser, decision: Fields = KEEP): Promise<BrowserResponse> {
  const first = await browser.get(`${gateway.issuer}/setup`)
  return browser.submit(first, { token: gateway.setupToken, ...decision })
}

async function eventsOf(gateway: RunningGateway, event: AuditEventName) {
  await gateway.installation.trail.flush()
  return (await gateway.installation.audit.list({})).filter((record) => record.event === event)
}

const appCode = (gateway: RunningGateway, page: BrowserResponse): string =>
  codeAt(page.text('[data-secret]'), gateway.clock.now())

async function nothingStored({ installation }: RunningGateway): Promise<void> {
  assert.equal(await installation.setupDecisions.get(), undefined)
  assert.equal(await installation.accounts.count(), 0)
}

/** A store that blinks when the administrator is made; answers what ends it. */
const OUTAGES: Record<string, (installation: Installation) => () => void> = {
  'the answer cannot be read'({ setupDecisions }) {
    const { get } = setupDecisions
    setupDecisions.get = async () => {
      throw new UnavailableError('accounts')
    }
    return () => {
      setupDecisions.get = get
    }
  },
  'where the browser stands cannot be kept'({ state }) {
    const { set } = state
    state.set = async () => {
      throw new UnavailableError('state')
    }
    return () => {
      state.set = set
    }
  },
}

describe('set-up', () => {
  let stores: Stores
  before(async () => {
    stores = await startStores('embedded')
  })
  after(() => stores.stop())
  const start = gateways(() => stores)

  test('A1: until the question is answered only set-up is served, everything else is 503 and says so', async () => {
    const gateway = await start()
    const { issuer } = gateway
    const browser = someone(gateway)
    const root = await browser.get(`${issuer}/`, { redirects: 'stop' })
    assert.deepEqual([root.status, root.location], [303, `${issuer}/setup`])
    const paths = ['/interaction/abcdefghijklmnop', '/account', '/forgot', '/.well-known/openid-configuration', '/jwks']
    for (const url of [requestTo(issuer), ...paths.map((path) => `${issuer}${path}`)]) {
      const refused = assertPage(await browser.get(url), 'error', 'unavailable', 503)
      assert.match(refused.text(), /set-up of this service is not finished/)
      assert.ok(Number(refused.headers['retry-after']) > 0)
    }
    assert.equal((await browser.post(`${issuer}/token`, { grant_type: 'client_credentials' })).status, 503)
    assertPage(await browser.get(`${issuer}/setup`), 'setup', undefined, 200)
    for (const path of ['/livez', '/readyz']) assert.equal((await browser.get(`${issuer}${path}`)).status, 200)
    const style = (await browser.get(`${issuer}/setup`)).find('link[rel=stylesheet]')?.attributes.href
    assert.equal((await browser.get(`${issuer}${style}`)).status, 200)
  })

  test('A1, A9: the last page of set-up is the first moment at which somebody can sign in, without a restart', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    const account = assertPage(await decide(gateway, browser), 'setup')
    assertPage(await browser.get(requestTo(gateway.issuer)), 'error', 'unavailable', 503)
    const bind = assertPage(await browser.submit(account, ADMIN), 'setup')
    assert.ok(bind.find('img[alt^=QR]'))
    await nothingStored(gateway)
    const secret = bind.text('[data-secret]')
    const code = codeAt(secret, gateway.clock.now())
    const done = assertPage(await browser.submit(bind, { code }), 'setup')
    assert.ok(done.find('select[name=preset]'))
    const admin = await gateway.installation.accounts.findByLogin(ADMIN.username)
    assert.deepEqual([admin?.admin, admin?.email, admin?.emailVerified], [true, ADMIN.email, false])
    const other = someone(gateway)
    const login = assertPage(await other.get(requestTo(gateway.issuer)), 'login')
    const verify = assertPage(
      await other.submit(login, { username: ADMIN.email, password: ADMIN.password }),
      'verify-totp',
    )
    // TO-7: the step that was used at set-up is burned.
    const replayed = assertPage(await other.submit(verify, { code }), 'verify-totp', 'code', 401)
    gateway.clock.advance(30_000)
    const back = await other.submit(replayed, { code: codeAt(secret, gateway.clock.now()) })
    assert.match(`${back.location}`, /[?&]code=/)
  })

  for (const [title, outage] of Object.entries(OUTAGES)) {
    test(`A9: the administrator gets on although the gateway cannot take up the answer: ${title}`, async () => {
      const gateway = await start()
      const browser = someone(gateway)
      const bind = await browser.submit(await decide(gateway, browser), ADMIN)
      const over = outage(gateway.installation)
      const code = appCode(gateway, bind)
      const done = await browser.submit(bind, { code })
      assert.notEqual(await gateway.installation.accounts.findByLogin(ADMIN.username), undefined)
      over()
      const kept = done.page === 'setup'
      assertPage(await browser.get(`${gateway.issuer}/setup`), kept ? 'setup' : 'login')
      if (kept) assertPage(await browser.submit(done, { action: 'skip' }), 'login')
      assertPage(await browser.get(`${gateway.issuer}/account`), 'login')
    })
  }

  test('WE-1, WE-6: its forms stay here, and what comes from elsewhere is refused and told of', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    const first = await browser.get(`${gateway.issuer}/setup`)
    assert.match(`${first.headers['content-security-policy']}`, /form-action 'self'/)
    const account = await decide(gateway, browser)
    assert.match(`${account.headers['content-security-policy']}`, /form-action 'self'/)
    const forged = await browser.post(`${gateway.issuer}/setup`, { ...ADMIN, csrf: 'x' })
    assertPage(forged, 'error', 'csrf', 403)
    assert.equal((await eventsOf(gateway, 'csrf.rejected')).length, 1)
    await nothingStored(gateway)
  })

  test('A2: "keep" without the tick is refused, and nothing is stored', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    const refused = assertPage(await decide(gateway, browser, { decision: 'keep' }), 'setup', 'confirm', 400)
    assert.equal(refused.find('[name=token]'), undefined, 'the token was right and is not asked again')
    await nothingStored(gateway)
    const account = assertPage(await browser.submit(refused, KEEP), 'setup')
    const bind = await browser.submit(account, ADMIN)
    await browser.submit(bind, { code: appCode(gateway, bind) })
    assert.equal((await gateway.installation.setupDecisions.get())?.enabled, true)
  })

  test('A3: "not now" needs both ticks; with both, set-up goes on and a password is enough', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    let page = await decide(gateway, browser, {})
    assertPage(page, 'setup', undefined, 200)
    for (const ticks of [{}, { understood: 'on' }, { disableMfa: 'on' }]) {
      page = assertPage(await browser.submit(page, { decision: 'off', ...ticks }), 'setup', 'confirm', 400)
    }
    await nothingStored(gateway)
    const account = await browser.submit(page, OFF)
    // PW-1: it will stand alone.
    const short = assertPage(
      await browser.submit(account, { ...ADMIN, password: 'violet 7 drift' }),
      'setup',
      'password',
      400,
    )
    assert.match(short.text(), /at least 15/)
    const done = assertPage(await browser.submit(short, ADMIN), 'setup')
    assert.ok(done.find('select[name=preset]'), 'no code is asked for')
    const other = someone(gateway)
    const login = assertPage(await other.get(requestTo(gateway.issuer)), 'login')
    const back = await other.submit(login, { username: ADMIN.username, password: ADMIN.password })
    assert.match(`${back.location}`, /[?&]code=/)
    const [answered] = await eventsOf(gateway, 'setup.answered')
    assert.equal(answered?.details?.answer, 'off')
  })

  test('neither answer is chosen beforehand, and no box is ticked', async () => {
    const gateway = await start()
    const page = await someone(gateway).get(`${gateway.issuer}/setup`)
    assert.deepEqual(page.findAll('[checked]'), [])
    assert.deepEqual(
      page.findAll('[name=decision]').map(({ attributes }) => attributes.value),
      ['keep', 'off'],
    )
  })

  test('A4: a file that answers is served at once, and wins over what was answered', async () => {
    const gateway = await start({ mfa: { enabled: true, methods: ['totp'] } })
    const browser = someone(gateway)
    assertPage(await browser.get(requestTo(gateway.issuer)), 'login')
    assertPage(await browser.get(`${gateway.issuer}/setup`), 'login')
    const optOut = { understood: true, disableMfa: true }
    await gateway.restart({ mfa: { enabled: false, optOut, methods: ['totp'] } })
    const person = await gateway.person()
    const login = await browser.get(requestTo(gateway.issuer))
    const back = await browser.submit(login, { username: person.username, password: person.password })
    assert.match(`${back.location}`, /[?&]code=/)
  })

  test('A4: a file that answers while set-up waits ends it at the reload', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stepgate-setup-'))
    const config = { issuer: 'http://127.0.0.1:1', stores: { dataDir: folder } }
    const made = configFrom({ ...config, mfa: {} }, { blocks: BLOCKS })
    const site = await openInstallation(made, { hasher: testHasher })
    try {
      const gateway = await createGateway(site)
      assert.notEqual(gateway.setup, undefined)
      await gateway.reload(configFrom({ ...config, mfa: { enabled: true } }, { blocks: BLOCKS }))
      assert.deepEqual((await site.setupDecisions.get())?.by, 'file')
    } finally {
      await site.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('A6, A10: what the file said is kept and told once; without the file it still holds', async () => {
    const gateway = await start({ mfa: { enabled: true, methods: ['totp'] } })
    await gateway.restart()
    assert.equal((await eventsOf(gateway, 'setup.answered')).length, 1)
    await gateway.restart(TOTP)
    const person = await gateway.person()
    const browser = someone(gateway)
    const login = assertPage(await browser.get(requestTo(gateway.issuer)), 'login')
    const { username, password } = person
    assertPage(await browser.submit(login, { username, password }), 'bind-totp')
  })

  test('A10: accounts without an answer start with MFA off', async () => {
    const gateway = await start()
    const person = await gateway.person()
    await gateway.restart()
    assert.deepEqual(gateway.installation.setupDecision, { enabled: false, from: 'accounts' })
    const told: string[] = []
    await warnAtStart({ ...gateway.installation, log: { ...silentLog, warn: (message) => void told.push(message) } })
    assert.match(told.join('\n'), /authentication is off: .*mfa\.enabled: true in the file turns it on/)
    const browser = someone(gateway)
    const login = assertPage(await browser.get(requestTo(gateway.issuer)), 'login')
    const back = await browser.submit(login, { username: person.username, password: person.password })
    assert.match(`${back.location}`, /[?&]code=/)
  })

  test('A6: who answered what is in the audit log, with the address, and survives a restart', async () => {
    const gateway = await start()
    const address = newAddress()
    const browser = someone(gateway, address)
    const bind = await browser.submit(await decide(gateway, browser), ADMIN)
    await browser.submit(bind, { code: appCode(gateway, bind) })
    await gateway.restart()
    const admin = await gateway.installation.accounts.findByLogin(ADMIN.username)
    const [answered] = await eventsOf(gateway, 'setup.answered')
    assert.deepEqual(
      [answered?.ip, answered?.account, answered?.details?.answer, answered?.details?.by],
      [address, admin?.id, 'keep', 'page'],
    )
    assert.equal((await eventsOf(gateway, 'setup.done')).length, 1)
    assertPage(await someone(gateway).get(requestTo(gateway.issuer)), 'login')
  })

  test('A7: without the token nobody gets further; guesses are few, and it is dead when set-up is done', async () => {
    const gateway = await start()
    const token = gateway.setupToken
    const guesser = someone(gateway)
    let page = await guesser.get(`${gateway.issuer}/setup`)
    for (let guess = 0; guess < 10; guess++) {
      page = assertPage(await guesser.submit(page, { token: `guess-${guess}`, ...KEEP }), 'setup', 'credentials', 401)
    }
    const throttled = assertPage(await guesser.submit(page, { token, ...KEEP }), 'setup', 'throttled', 429)
    assert.ok(Number(throttled.headers['retry-after']) > 0)
    await nothingStored(gateway)
    const owner = someone(gateway)
    const left = await someone(gateway).get(`${gateway.issuer}/setup`)
    const late = someone(gateway)
    const lateBind = await late.submit(await decide(gateway, late), {
      ...ADMIN,
      username: 'late',
      email: 'late@example.test',
    })
    const bind = await owner.submit(await decide(gateway, owner), ADMIN)
    await owner.submit(bind, { code: appCode(gateway, bind) })
    assertPage(await late.submit(lateBind, { code: appCode(gateway, lateBind) }), 'login')
    assertPage(await someone(gateway).submit(left, { token, ...OFF }), 'error', 'csrf', 403)
    assert.equal(await gateway.installation.accounts.count(), 1)
  })

  test('A7: the token is in no address, no cookie and no log', async () => {
    const lines: string[] = []
    const say = (message: string, details?: object): void => void lines.push(message + JSON.stringify(details ?? {}))
    const gateway = await start(TOTP, { debug: say, info: say, warn: say, error: say })
    const browser = someone(gateway)
    const page = await decide(gateway, browser)
    const cookies = JSON.stringify(await browser.cookies(gateway.issuer))
    for (const text of [page.visited.join(), page.body, cookies, lines.join()])
      assert.ok(!text.includes(gateway.setupToken))
  })

  test('WE-1: a form from elsewhere, or without the browser’s own csrf, does nothing', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    await browser.get(`${gateway.issuer}/setup`)
    const given = { token: gateway.setupToken, ...OFF, csrf: 'x' }
    assertPage(await browser.post(`${gateway.issuer}/setup`, given), 'error', 'csrf', 403)
    await nothingStored(gateway)
  })

  test('what is typed for the administrator is checked, and each refusal names its field', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    let page = await decide(gateway, browser)
    const wrong: [Fields, string][] = [
      [{ username: ' ' }, 'username'],
      [{ email: 'nobody' }, 'address'],
      [{ email: 'a@example.test, b@example.test' }, 'address'],
      [{ password: 'short' }, 'password'],
      [{ password: 'password123' }, 'password'],
      [{ password: 'root-admin1' }, 'password'],
    ]
    for (const [changed, problem] of wrong) {
      page = assertPage(await browser.submit(page, { ...ADMIN, ...changed }), 'setup', problem, 400)
    }
    await nothingStored(gateway)
    const bind = await browser.submit(page, { ...ADMIN, email: ` ${ADMIN.email} ` })
    assert.ok(bind.find('[data-secret]'))
  })

  test('TO-7: five wrong codes end the key; a new one is shown, and only that one counts', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    let page = await browser.submit(await decide(gateway, browser), ADMIN)
    const secret = page.text('[data-secret]')
    const code = wrongCode(secret, gateway.clock.now())
    for (let guess = 0; guess < 5; guess++)
      page = assertPage(await browser.submit(page, { code }), 'setup', 'code', 401)
    page = assertPage(await browser.submit(page, { code: appCode(gateway, page) }), 'setup', 'expired', 410)
    assert.notEqual(page.text('[data-secret]'), secret)
    await nothingStored(gateway)
    const off = assertPage(
      await browser.submit(page, { code: codeAt(page.text('[data-secret]'), gateway.clock.now() - 7 * MINUTE) }),
      'setup',
      'clock',
      401,
    )
    assert.match(off.text(), /about 7 minutes/)
    await browser.submit(off, { code: appCode(gateway, off) })
    assert.equal(await gateway.installation.accounts.count(), 1)
  })

  test('a page that was open for more than an hour begins again, and is no wrong token', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    const account = await decide(gateway, browser)
    gateway.clock.advance(61 * MINUTE)
    const again = assertPage(await browser.submit(account, ADMIN), 'setup', undefined, 200)
    assert.ok(again.find('[name=token]'))
  })

  test('the last page shows the entry of the first relying party with a fresh secret, or is skipped', async () => {
    const gateway = await start()
    const browser = someone(gateway)
    const bind = await browser.submit(await decide(gateway, browser), ADMIN)
    const offer = await browser.submit(bind, { code: appCode(gateway, bind) })
    const refused = await browser.submit(offer, { preset: 'web', client_id: 'app2', redirect: 'nowhere' })
    assertPage(refused, 'setup', 'client', 400)
    const redirect = 'https://app.example.com/callback'
    const entry = await browser.submit(refused, { preset: 'nocobase', client_id: 'nocobase', redirect })
    assert.match(entry.text('[data-yaml]'), /client_id: nocobase.*client_secret: [\w-]{43}.*pkce: optional/s)
    const left = await browser.submit(entry, { action: 'done' }, { redirects: 'stop' })
    assert.deepEqual([left.status, left.location], [303, `${gateway.issuer}/account`])
    assertPage(await browser.get(`${gateway.issuer}/setup`), 'login')
  })
})

describe('set-up with mail', () => {
  let stores: Stores
  let smtp: SmtpService
  before(async () => {
    stores = await startStores('embedded')
    smtp = await startSmtp()
  })
  after(() => Promise.all([stores.stop(), smtp.stop()]))
  const start = gateways(() => stores)
  const mail = () => ({ smtp: smtp.url, from: 'Example <id@example.test>' })

  test('A9: set-up ends with the code that was mailed; a mistyped address is corrected before', async () => {
    const gateway = await start({ mfa: { methods: ['email'] }, mail: mail() })
    const browser = someone(gateway)
    const account = await decide(gateway, browser)
    const mistyped = assertPage(await browser.submit(account, { ...ADMIN, email: 'adnim@example.test' }), 'setup')
    assert.match(mistyped.text(), /adnim@example\.test/)
    const old = smtp.codeFor('adnim@example.test')
    const again = assertPage(await browser.submit(mistyped, { action: 'back' }), 'setup')
    assert.deepEqual([again.form?.filled.username, again.form?.filled.email], [ADMIN.username, 'adnim@example.test'])
    const page = assertPage(await browser.submit(again, ADMIN), 'setup')
    const code = smtp.codeFor(ADMIN.email)
    if (old !== code) assertPage(await browser.submit(page, { code: old }), 'setup', 'code', 401)
    const wrong = assertPage(await browser.submit(page, { code: otherCode(code) }), 'setup', 'code', 401)
    await nothingStored(gateway)
    await browser.submit(wrong, { code })
    const admin = await gateway.installation.accounts.findByLogin(ADMIN.username)
    assert.deepEqual([admin?.email, admin?.emailVerified, admin?.admin], [ADMIN.email, true, true])
  })

  test('A9: a mail server that refuses is told, and another code can be asked for', async () => {
    const gateway = await start({ mfa: { methods: ['email'] }, mail: mail() })
    const browser = someone(gateway)
    const account = await decide(gateway, browser)
    smtp.setRefuse('data')
    const email = 'refused@example.test'
    const failed = await browser.submit(account, { ...ADMIN, email }).finally(() => smtp.setRefuse(undefined))
    assertPage(failed, 'setup', 'mail', 503)
    const sent = assertPage(await browser.submit(failed, { action: 'resend' }), 'setup', undefined, 200)
    const early = assertPage(await browser.submit(sent, { action: 'resend' }), 'setup', 'throttled', 429)
    await browser.submit(early, { code: smtp.codeFor(email) })
    assert.equal((await gateway.installation.accounts.findByLogin(email))?.emailVerified, true)
  })

  test('EM-4: twenty wrong codes at the same time: five of them are judged, and the right one is late', async () => {
    const gateway = await start({ mfa: { methods: ['email'] }, mail: mail() })
    const browser = someone(gateway)
    const page = await browser.submit(await decide(gateway, browser), { ...ADMIN, email: 'five@example.test' })
    const right = smtp.codeFor('five@example.test')
    const code = otherCode(right)
    const ends = await Promise.all(Array.from({ length: 20 }, () => browser.submit(page, { code })))
    assert.deepEqual(ends.map(({ error }) => error).filter((error) => error === 'code').length, 5)
    assertPage(await browser.submit(page, { code: right }), 'setup', 'expired', 410)
    await nothingStored(gateway)
  })

  test('where both are in force, whoever gets no mail proves an app instead, also when the file takes mail out', async () => {
    const gateway = await start({ mfa: { methods: ['email', 'totp'] }, mail: mail() })
    const browser = someone(gateway)
    const account = await decide(gateway, browser)
    smtp.setRefuse('data')
    const failed = await browser.submit(account, ADMIN).finally(() => smtp.setRefuse(undefined))
    const app = await browser.submit(assertPage(failed, 'setup', 'mail', 503), { action: 'choose' })
    assert.ok(app.find('[data-secret]'))
    const mailed = assertPage(await browser.submit(app, { action: 'choose' }), 'setup', undefined, 200)
    assert.equal(mailed.find('[data-secret]'), undefined)
    await gateway.reload({ mfa: { methods: ['totp'] } })
    const shown = await browser.get(`${gateway.issuer}/setup`)
    const again = await browser.submit(assertPage(shown, 'setup', undefined, 200), { action: 'resend' })
    await browser.submit(again, { code: appCode(gateway, again) })
    const [binding] = await gateway.installation.bindings.list(`${(await gateway.installation.accounts.list())[0]?.id}`)
    assert.equal(binding?.type, 'totp')
  })

  test('A8: auto takes mail where the server answers, and an outage later does not change that', async () => {
    const server = await startSmtp()
    try {
      const gateway = await start({ mfa: {}, mail: { smtp: server.url, from: 'id@example.test' } })
      await server.stop()
      await gateway.restart()
      await server.start()
      const browser = someone(gateway)
      const page = await browser.submit(await decide(gateway, browser), ADMIN)
      assert.equal(page.find('[data-secret]'), undefined)
      await browser.submit(page, { code: server.codeFor(ADMIN.email) })
      assert.equal((await gateway.installation.accounts.findByLogin(ADMIN.email))?.emailVerified, true)
    } finally {
      await server.stop()
    }
  })

  test('A8: auto takes the app where no mail server answers', async () => {
    const nobody = `smtp://127.0.0.1:${await freePort()}`
    const gateway = await start({ mfa: {}, mail: { smtp: nobody, from: 'id@example.test' } })
    const browser = someone(gateway)
    const page = await browser.submit(await decide(gateway, browser), ADMIN)
    assert.ok(page.find('[data-secret]'))
  })
})

onStores(STORES_KINDS, 'set-up, at the same time', (stores) => {
  const start = gateways(stores)

  test('five browsers finish at once: one of them is the administrator, with one factor and one answer', async () => {
    const gateway = await start()
    const ready = await Promise.all(
      [1, 2, 3, 4, 5].map(async (number) => {
        const browser = someone(gateway)
        const admin = { ...ADMIN, username: `admin-${number}`, email: `admin-${number}@example.test` }
        return { browser, bind: await browser.submit(await decide(gateway, browser), admin) }
      }),
    )
    const ends = await Promise.all(
      ready.map(({ browser, bind }) => browser.submit(bind, { code: appCode(gateway, bind) })),
    )
    // Who comes while the others are at it is refused, who comes after that may sign in.
    const pages = ends.map(({ page }) => (page === 'login' ? 'error' : page)).sort()
    assert.deepEqual(pages, ['error', 'error', 'error', 'error', 'setup'])
    const [admin, ...others] = await gateway.installation.accounts.list()
    assert.deepEqual(others, [])
    assert.equal((await gateway.installation.bindings.list(`${admin?.id}`)).length, 1)
    for (const event of ['setup.answered', 'setup.done', 'user.created'] as const) {
      assert.equal((await eventsOf(gateway, event)).length, 1, event)
    }
  })

  test('another process on the same stores serves as soon as set-up is finished here', async () => {
    const gateway = await start()
    const { config } = gateway.installation
    const site = await openInstallation({ ...config, listen: { ...config.listen, port: 0 } }, { hasher: testHasher })
    const other = await createGateway(site)
    const { port } = await other.listen()
    const there = createBrowser({ origin: gateway.issuer, proxy: { port } })
    try {
      assert.notEqual(other.setup?.token, gateway.setupToken)
      const browser = someone(gateway)
      // The token of either process is as good.
      const first = await browser.get(`${gateway.issuer}/setup`)
      const account = await browser.submit(first, { token: `${other.setup?.token}`, ...KEEP })
      const bind = await browser.submit(account, ADMIN)
      assertPage(await there.get(requestTo(gateway.issuer)), 'error', 'unavailable', 503)
      const done = await browser.submit(bind, { code: appCode(gateway, bind) })
      // It has looked just before: two at once share a look, and none of them is told that set-up is not finished.
      const early = there.get(requestTo(gateway.issuer))
      assertPage(await browser.submit(done, { action: 'skip' }), 'login')
      assertPage(await early, 'login')
      assertPage(await there.get(`${gateway.issuer}/account`), 'login')
    } finally {
      other.server.closeAllConnections()
      await other.close()
      await site.close()
    }
  })
})
