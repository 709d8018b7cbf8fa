import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import { SignJWT } from 'jose'
import { textOf } from '../../test/harness/html.ts'
import { startTimeServer } from '../../test/harness/time-server.ts'
import { wrongCode } from '../../test/harness/totp-app.ts'
import { type Actor, press } from './actor.ts'
import { CLIENTS, ISSUER } from './config.ts'

const HOUR = 3_600_000
const account = `${ISSUER}/account`

/** Digits that are not this code. */
const other = (code: string): string => `${(Number(code) + 1) % 10 ** code.length}`.padStart(code.length, '0')

/** The first start, on a machine whose clock is wrong; the process is killed before anybody has set it up. */
export async function firstStart({ installation }: Actor): Promise<void> {
  const wrong = await startTimeServer({ ahead: HOUR })
  const gateway = await installation.serve({ clock: { servers: [wrong.address] } })
  await gateway.line(/the clock of this server is wrong/)
  await gateway.line(/"token":/)
  // What it has counted once reaches the store behind the line.
  await pause(500)
  await gateway.end('SIGKILL')
  wrong.close()
}

/** Set-up, with a wrong token and a wrong code on the way. */
export async function setUp(actor: Actor, token: string): Promise<void> {
  const { facts } = actor
  const browser = actor.browser('ada')
  const password = 'fixture violet anchors drift'
  const person = { username: 'ada', email: 'ada@example.test', password }
  facts.people.ada = person
  const wrong = await browser.submit(await browser.get(`${ISSUER}/setup`), { token: 'wrong' })
  const form = await browser.submit(wrong, { token, decision: 'keep', understood: 'on' })
  const bind = await browser.submit(form, { ...person })
  const app = { secret: bind.text('[data-secret]').replaceAll(' ', ''), lastStep: 0 }
  facts.people.ada = { ...person, app }
  const again = await browser.submit(bind, { code: wrongCode(app.secret, Date.now()) })
  const done = await browser.submit(again, { code: await actor.appCode(actor.person('ada')) })
  assert.ok(done.find('select[name=preset]'), done.text())
}

/** The accounts of everybody else. */
export async function invite(actor: Actor): Promise<void> {
  for (const name of ['alva', 'uno', 'rita', 'folke', 'berit', 'mona', 'tora', 'sten']) await actor.add(name)
  for (const name of ['rune', 'mejl', 'elsa', 'disa']) await actor.add(name, { groups: ['by-mail'] })
  await actor.add('gunnar', { groups: ['newcomers'] })
  const { installation, facts } = actor
  const invited = JSON.parse(await installation.run(['user', 'add', 'nya', '--email', 'nya@example.test']))
  facts.pages.activation = invited.activation
  facts.people.nya = { username: 'nya', email: 'nya@example.test', password: '' }
  await installation.run(['user', 'disable', 'disa'])
}

/** Milliseconds: `limits.passwordDelay`, and a moment. */
export const FIRST_DELAY = 61_000

/** Wrong passwords, so many that delays begin. */
export async function guess(actor: Actor): Promise<void> {
  for (let time = 0; time < 5; time++) await guessOnce(actor, 'sten')
  assert.equal((await guessOnce(actor, 'sten')).error, 'throttled')
  const sprayer = actor.browser('sprayer')
  for (const username of ['nobody', 'somebody', 'anybody']) {
    const login = await sprayer.get(actor.party.authorization(actor.client('app')))
    await sprayer.submit(login, { username, password: 'wrong password' })
  }
}

async function guessOnce(actor: Actor, username: string) {
  const thief = actor.browser('thief')
  const login = await thief.get(actor.party.authorization(actor.client('app')))
  return thief.submit(login, { username, password: 'wrong password' })
}

/** Sessions, tokens of every kind, remembered browsers. */
export async function signIn(actor: Actor): Promise<void> {
  const { party, facts } = actor
  const [app, spa] = [actor.client('app'), actor.client('spa')]
  const first = await actor.signIn('alva', 'spa')
  const rotated = await party.refresh(spa, `${first.refresh_token}`)
  assert.equal(rotated.status, 200)
  facts.tokens.spaUsedRefresh = `${first.refresh_token}`
  facts.tokens.spaRefresh = `${rotated.body.refresh_token}`
  const session = await actor.signIn('alva', 'app')
  facts.tokens.appAccess = session.access_token
  facts.tokens.appRefresh = `${session.refresh_token}`
  facts.tokens.appIdToken = session.id_token
  const offline = { scope: 'openid offline_access', prompt: 'consent' }
  const outliving = await actor.signIn('alva', 'app', { parameters: offline })
  facts.tokens.appOffline = `${outliving.refresh_token}`
  facts.pages.usedCodeForApp = outliving.location
  facts.claims.alva = { ...(await party.claims(app, outliving.id_token)) }
  await actor.signIn('alva', 'third')
  for (const name of ['uno', 'rita', 'folke', 'berit', 'tora', 'mejl', 'elsa'] as const) await actor.signIn(name, 'app')
  await actor.signIn('rune', 'app', { remember: 'on' })
  await actor.browser('rune').clear('__Host-stepgate-session', 'stepgate-session', '__Secure-stepgate-session')
  await actor.signIn('gunnar', 'app')
  await signOut(actor, 'elsa')
}

async function signOut(actor: Actor, name: string): Promise<void> {
  const browser = actor.browser(name)
  const page = await browser.get(`${ISSUER}/session/end?client_id=app`)
  const end = await browser.submit(page, { logout: 'yes' })
  assert.equal(end.page, 'signed-out', end.text())
}

/** What clients do without anybody in front of them. */
async function clientsAlone(actor: Actor, key: CryptoKey): Promise<void> {
  const { party, facts } = actor
  const machine = actor.client('machine')
  const wrong = { ...machine, client_secret: 'not the secret of this client, but as long' }
  assert.equal((await party.post('/token', wrong, { grant_type: 'client_credentials' })).status, 401)
  const grant = { grant_type: 'client_credentials', resource: 'https://api.example.test', scope: 'read' }
  const { status, body } = await party.post('/token', machine, grant)
  assert.equal(status, 200, JSON.stringify(body))
  facts.tokens.machineAccess = `${body.access_token}`
  // One that was used, and one that waits.
  const used = await push(actor, key)
  const keyed = actor.client('keyed')
  const asked = new URL(`${ISSUER}/auth`)
  asked.search = new URLSearchParams({ client_id: keyed.client_id, request_uri: used }).toString()
  const end = await actor.browser('alva').get(asked)
  assert.match(`${end.location}`, /[?&]code=/, end.text())
  facts.pages.pushedUsed = asked.href
  facts.tokens.assertion = await assertion(key, 'an assertion that was used')
  await push(actor, key, facts.tokens.assertion)
  asked.searchParams.set('request_uri', await push(actor, key))
  facts.pages.pushed = asked.href
}

const assertion = (key: CryptoKey, jti: string): Promise<string> =>
  new SignJWT({ jti })
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(CLIENTS.keyed.client_id)
    .setSubject(CLIENTS.keyed.client_id)
    .setAudience(ISSUER)
    .setIssuedAt()
    .setExpirationTime('4m')
    .sign(key)

const PROOF_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** A pushed authorization request; answers its `request_uri`. */
async function push({ party, client }: Actor & { client: Actor['client'] }, key: CryptoKey, proof?: string) {
  const keyed = client('keyed')
  const parameters = Object.fromEntries(party.authorization(keyed).searchParams)
  const client_assertion = proof ?? (await assertion(key, crypto.randomUUID()))
  const { status, body } = await party.post('/request', keyed, {
    ...parameters,
    client_assertion_type: PROOF_TYPE,
    client_assertion,
  })
  assert.equal(status, 201, JSON.stringify(body))
  return `${body.request_uri}`
}

/** Whatever is under way for minutes: links, codes that were mailed or handed out, wrong codes. */
export async function begin(actor: Actor): Promise<void> {
  const { facts, smtp, installation } = actor
  const folke = actor.browser('folke')
  await folke.submit(await folke.get(`${ISSUER}/forgot`), { username: 'folke' })
  const mail = await smtp.waitFor(({ to, text }) => to.includes('folke@example.test') && text.includes('/reset/'))
  facts.pages.reset = /https:\S+\/reset\/\S+/.exec(mail.text)?.[0] ?? assert.fail('no link')
  const bypass = ['mfa', 'bypass', 'berit', '--ttl', '24h', '--reason', 'lost the phone']
  facts.codes.bypass = JSON.parse(await installation.run(bypass)).code
  await wrongCodes(actor, 'tora')
  await installation.run(['keys', 'rotate'])
}

async function wrongCodes(actor: Actor, name: string): Promise<void> {
  const { app } = actor.person(name)
  const browser = actor.party.browser('203.0.113.200')
  const { username, password } = actor.person(name)
  const login = await browser.get(actor.party.authorization(actor.client('app')))
  let page = await browser.submit(login, { username, password })
  for (let time = 0; time < 4; time++) {
    page = await browser.submit(page, { code: wrongCode(`${app?.secret}`, Date.now()) })
    assert.equal(page.error, 'code')
  }
}

/** What lives for a minute or two: the last things that happen before the copy. */
export async function lastMoments(actor: Actor, key: CryptoKey): Promise<void> {
  const { facts, party } = actor
  await clientsAlone(actor, key)
  const rita = actor.browser('rita')
  const shown = await press(rita, await rita.get(account), 'recovery')
  const codes = shown.findAll('[data-code]').map(textOf)
  assert.equal(codes.length, 10, shown.text())
  const { code: moving, result: confirm } = await actor.codeAfter('mona@elsewhere.test', async () => {
    await actor.walk('mona', await actor.browser('mona').get(account), { until: 'account' })
    return press(actor.browser('mona'), await actor.browser('mona').get(account), 'address', {
      address: 'mona@elsewhere.test',
    })
  })
  assert.equal((await actor.browser('mona').submit(confirm, { code: other(moving) })).error, 'code')
  facts.codes.address = moving
  facts.pages.address = confirm.url
  await useRecoveryCode(actor, 'rita', codes)
  facts.pages.recoveryCodes = shown.url
  for (const name of ['uno', 'mejl']) await stopBeforeCode(actor, name)
  const mejl = actor.browser('mejl-under-way')
  facts.codes.mejl = actor.smtp.codeFor('mejl@example.test')
  const wrong = await mejl.submit(await mejl.get(`${facts.pages.mejl}`), { code: other(facts.codes.mejl) })
  assert.equal(wrong.error, 'code')
  assert.equal((await guessOnce(actor, 'sten')).error, 'credentials', 'the first delay is over')
  // The step of this code is still in the window when the copy is opened.
  await actor.signIn('ada', 'app')
  const qr = await press(rita, await rita.get(account), 'show-qr')
  facts.pages.qr = qr.url
  const { location } = await actor.browser('alva').get(party.authorization(actor.client('app')))
  facts.pages.codeForApp = location ?? assert.fail('no code')
}

async function useRecoveryCode(actor: Actor, name: string, codes: readonly string[]): Promise<void> {
  const { facts } = actor
  const [used = '', ...left] = codes
  const browser = actor.party.browser('203.0.113.201')
  const { username, password } = actor.person(name)
  const login = await browser.get(actor.party.authorization(actor.client('app')))
  const asked = await browser.submit(login, { username, password })
  const choice = await browser.submit(asked, { action: 'choose' })
  const typed = await browser.submit(choice, { method: 'recovery' })
  const end = await browser.submit(typed, { code: used })
  assert.match(`${end.location}`, /[?&]code=/, end.text())
  facts.codes.usedRecovery = used
  facts.codes.recovery = left[0] ?? ''
}

/** A browser of its own, with the right password and no code yet. */
async function stopBeforeCode(actor: Actor, name: string): Promise<void> {
  const browser = actor.browser(`${name}-under-way`)
  const { username, password } = actor.person(name)
  const login = await browser.get(actor.party.authorization(actor.client('app')))
  const page = await browser.submit(login, { username, password })
  assert.match(`${page.page}`, /^verify-/, page.text())
  actor.facts.pages[name] = page.url
}

/** The mail server is gone when a letter is written. */
export async function leaveLetter(actor: Actor): Promise<void> {
  await actor.smtp.stop()
  await actor.installation.run(['mfa', 'reset', 'elsa', '--reason', 'a letter that waits'])
  actor.facts.waiting = { to: actor.person('elsa').email }
}

/** What can be read from outside of the whole. */
export async function readFacts(actor: Actor): Promise<void> {
  const { facts, party, installation } = actor
  const { body } = await party.get('/jwks')
  facts.keys = (body.keys as { kid: string }[]).map(({ kid }) => kid).sort()
  const lines = (await installation.run(['audit'])).trim().split('\n')
  for (const line of lines) {
    const { event } = JSON.parse(line) as { event: string }
    facts.audit[event] = (facts.audit[event] ?? 0) + 1
  }
}
