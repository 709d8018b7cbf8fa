import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { startChromium } from '../harness/browser.ts'
import { type RelyingParty, startRelyingParty } from '../harness/relying-party.ts'
import { freePort } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { codeAt } from '../harness/totp-app.ts'
import { answered, at, send, textOf } from './sign-in-site.ts'

/** The stations of somebody who sets Stepgate up for the first time, in their order; each has a picture. */
export const STATIONS = [
  'set-up',
  'administrator',
  'confirm-address',
  'relying-party',
  'relying-party-entry',
  'activation',
  'sign-in',
  'email-code',
  'account',
  'recovery-codes',
  'lost-phone',
  'recovery-code',
  'after-reset',
] as const
export type Station = (typeof STATIONS)[number]

const BIN = join(import.meta.dirname, '..', '..', 'bin', 'stepgate.js')
const ADMIN = { username: 'anna.berg', email: 'anna.berg@example.com', password: 'violet anchors drift slowly 7' }
const USER = { username: 'bo.lind', email: 'bo.lind@example.com', password: 'quiet lanterns over snow 31' }
const CLIENT = 'intranet'
/** A reload is seen within this time, or never. */
const RELOADS = 10_000

/**
 * A real gateway process with a file that holds the least, a mail server and a relying party that it does not know yet.
 */
interface World {
  issuer: string
  file: string
  smtp: SmtpService
  rp: RelyingParty
  token: string
  stop(): Promise<void>
}

async function openWorld(): Promise<World> {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-newcomer-'))
  const file = join(folder, 'stepgate.yaml')
  const [smtp, port] = await Promise.all([startSmtp(), freePort()])
  const issuer = `http://127.0.0.1:${port}`
  const rp = await startRelyingParty({ issuer, clientId: CLIENT })
  writeFileSync(
    file,
    `issuer: ${issuer}
listen: { port: ${port} }
mail: { smtp: "${smtp.url}", from: "Example <id@example.com>" }
mfa: { methods: [email, totp] }
branding: { name: Example }
`,
    { mode: 0o600 },
  )
  const serve = spawn(process.execPath, [BIN, '--config', file, 'serve'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return {
    issuer,
    file,
    smtp,
    rp,
    token: await tokenOf(serve),
    async stop() {
      const ended = once(serve, 'exit')
      serve.kill('SIGTERM')
      await Promise.all([ended, smtp.stop(), rp.stop()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** As somebody reads it from the console. */
async function tokenOf({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error('its console is not piped')
  const lines = createInterface({ input: stdout })
  const { promise, resolve } = Promise.withResolvers<string>()
  // Read to its end, or the process would wait for room in its pipe.
  lines.on('line', (line) => {
    const [, token] = /^token: (\S+)$/.exec(line) ?? []
    if (token !== undefined) resolve(token)
  })
  return promise
}

/**
 * Start, set-up page, first administrator, first relying party, first user by activation link, sign-in, account page,
 * lost phone, reset. `see` is called at each station, once and in order.
 */
export async function walkAsNewcomer(see: (station: Station, page: Page) => Promise<void>): Promise<void> {
  const chromium = await startChromium()
  const world = await openWorld()
  try {
    const page = await (await chromium.newContext()).newPage()
    await setUp(world, page, see)
    await becomeUser(world, page, see)
    const [code = ''] = await lookAfter(world, page, see)
    const other = await (await chromium.newContext()).newPage()
    await losePhone(world, { page: other, code }, see)
  } finally {
    await chromium.close()
    await world.stop()
  }
}

type See = Parameters<typeof walkAsNewcomer>[0]

async function setUp({ issuer, token, smtp, file, rp }: World, page: Page, see: See): Promise<void> {
  await page.goto(`${issuer}/`)
  await at(page, 'setup')
  await see('set-up', page)
  await page.fill('[name=token]', token)
  await page.check('[name=decision][value=keep]')
  await page.check('[name=understood]')
  await press(page)
  for (const [name, value] of Object.entries(ADMIN)) await page.fill(`[name=${name}]`, value)
  await see('administrator', page)
  await press(page)
  await see('confirm-address', page)
  await send(page, smtp.codeFor(ADMIN.email))
  await page.selectOption('[name=preset]', 'web')
  await page.fill('[name=client_id]', CLIENT)
  await page.fill('[name=redirect]', rp.redirectUri)
  await see('relying-party', page)
  await press(page)
  const yaml = `${await page.locator('[data-yaml]').textContent()}`
  await see('relying-party-entry', page)
  await press(page)
  writeFileSync(file, `${readFileSync(file, 'utf8')}${asList(yaml, `${rp.client.client_secret}`)}`)
  await reloaded(page, rp)
}

/** What the page shows is pasted; the relying party of this walk has its own secret already. */
function asList(yaml: string, secret: string): string {
  const entry = yaml.replace(/client_secret: .*/, `client_secret: ${secret}`)
  return entry.startsWith('clients:') ? `${entry}\n` : `clients:\n${entry}\n`
}

async function reloaded(page: Page, rp: RelyingParty): Promise<void> {
  for (const started = Date.now(); Date.now() - started < RELOADS; await pause(100)) {
    await page.goto(`${rp.url}/login`)
    if ((await page.locator('main').getAttribute('data-page')) === 'login') return
  }
  throw new Error('the gateway does not know the relying party')
}

async function becomeUser(world: World, page: Page, see: See): Promise<void> {
  const { smtp, rp } = world
  const { username, email, password } = USER
  const added = await stepgate(world, ['user', 'add', username, '--email', email, '--name', 'Bo Lind'])
  const [link = ''] = /http\S+\/activate\/\S+/.exec(added) ?? []
  await page.goto(link)
  await at(page, 'activate')
  await page.fill('[name=password]', password)
  await page.fill('[name=passwordAgain]', password)
  await see('activation', page)
  await press(page)
  await page.goto(`${rp.url}/login`)
  await page.fill('[name=username]', username)
  await page.fill('[name=password]', password)
  await see('sign-in', page)
  await press(page)
  await pick(page, 'email')
  await at(page, 'verify-email')
  await see('email-code', page)
  await send(page, smtp.codeFor(email))
  const claims = JSON.parse(await textOf(page, '#claims')) as { acr: string }
  assert.equal(claims.acr, 'urn:stepgate:acr:2sv')
}

/** Binds an app and makes recovery codes; answers these. */
async function lookAfter({ issuer }: World, page: Page, see: See): Promise<string[]> {
  await page.goto(`${issuer}/account`)
  await at(page, 'account')
  await answered(page, () => page.locator('button[value=add-totp]').click())
  await at(page, 'bind-totp')
  await page.fill('[name=label]', 'My phone')
  await send(page, codeAt((await textOf(page, '[data-secret]')).replace(/\s/g, ''), Date.now()))
  await at(page, 'account')
  await see('account', page)
  await answered(page, () => page.locator('button[value=recovery]').click())
  const codes = await page.locator('[data-code]').allTextContents()
  await see('recovery-codes', page)
  return codes
}

async function losePhone(world: World, { page, code }: { page: Page; code: string }, see: See): Promise<void> {
  const { rp, smtp } = world
  await enter(page, rp)
  await at(page, 'verify-totp')
  await see('lost-phone', page)
  await answered(page, () => page.locator('button[value=choose]').click())
  await pick(page, 'recovery')
  await at(page, 'verify-recovery')
  await see('recovery-code', page)
  await send(page, code.trim())
  assert.equal((JSON.parse(await textOf(page, '#claims')) as { acr: string }).acr, 'urn:stepgate:acr:mfa')
  await page.context().clearCookies()

  await stepgate(world, ['mfa', 'reset', USER.username, '--reason', 'lost phone'])
  smtp.clear()
  await enter(page, rp)
  await pick(page, 'email')
  await at(page, 'verify-email')
  await see('after-reset', page)
  await send(page, smtp.codeFor(USER.email))
  assert.equal((JSON.parse(await textOf(page, '#claims')) as { acr: string }).acr, 'urn:stepgate:acr:2sv')
}

async function enter(page: Page, rp: RelyingParty): Promise<void> {
  await page.goto(`${rp.url}/login`)
  await page.fill('[name=username]', USER.username)
  await page.fill('[name=password]', USER.password)
  await press(page)
}

async function pick(page: Page, method: string): Promise<void> {
  if ((await page.locator('main').getAttribute('data-page')) !== 'choose') return
  await answered(page, () => page.locator(`button[value=${method}]`).click())
}

const press = (page: Page): Promise<void> => answered(page, () => page.locator('button.primary').click())

/** A command of the administrator's, beside the running gateway. */
async function stepgate({ file }: World, given: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [BIN, '--config', file, ...given], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
  })
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk
  })
  const [status] = await once(child, 'close')
  assert.equal(status, 0, output)
  return output
}
