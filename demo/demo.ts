import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { createGateway } from '../src/app/gateway.ts'
import { type Installation, openInstallation } from '../src/app/installation.ts'
import { configFrom } from '../src/config/reading/load.ts'
import { createLogger } from '../src/kernel/logger.ts'
import { BLOCKS } from '../src/mfa/factors/registry.ts'
import { type DemoAccount, makeAccounts } from './accounts.ts'
import { startInbox } from './inbox.ts'
import { createRelyingParty } from './relying-party.ts'

// Hashing takes a thread per core; signing and file access must not wait behind it. Read when the pool is first used.
process.env.UV_THREADPOOL_SIZE ??= String(availableParallelism() + 2)

const HOST = '127.0.0.1'
const FIRST_PORT = 3000
const CLIENT_ID = 'sample-app'
const urlOf = (port: number): string => `http://${HOST}:${port}`

/** What the demo offers, for people and for scripts. */
interface Offer {
  gateway: string
  relyingParty: string
  inbox: string
  messages: string
  accounts: DemoAccount[]
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: 'boolean' }, keep: { type: 'boolean' }, config: { type: 'string' } },
  })
  const [gatewayPort, appPort, inboxPort] = await freePorts()
  const [issuer, app, mailPage] = [urlOf(gatewayPort), urlOf(appPort), urlOf(inboxPort)]
  const inbox = await startInbox({ app })
  const folder = values.keep === true ? keptFolder(gatewayPort) : emptyFolder(gatewayPort)
  const clientSecret = randomBytes(32).toString('base64url')
  const own = {
    issuer,
    listen: { host: HOST, port: gatewayPort },
    stores: { dataDir: folder },
    mail: { smtp: inbox.smtp, from: 'Stepgate demo <stepgate@example.test>' },
    mfa: { enabled: true, methods: ['email', 'totp'], rememberDays: 30 },
    clients: [
      {
        client_id: CLIENT_ID,
        client_name: 'Sample app',
        client_secret: clientSecret,
        redirect_uris: [`${app}/callback`],
        post_logout_redirect_uris: [`${app}/`],
      },
    ],
    branding: { name: 'Stepgate demo' },
  }
  const given: unknown = values.config === undefined ? {} : parse(readFileSync(values.config, 'utf8'))
  const config = configFrom(laidOver(own, given ?? {}), { blocks: BLOCKS })
  const log = await createLogger({ level: 'warn', descriptor: 2, pretty: process.stderr.isTTY === true })
  const site = await openInstallation(config, { log })
  const accounts = values.keep === true ? await keptAccounts(site, folder) : await makeAccounts(site)
  const gateway = await createGateway(site)
  const relyingParty = createRelyingParty({
    issuer,
    clientId: CLIENT_ID,
    clientSecret,
    url: app,
    inbox: mailPage,
    accounts,
  })
  for (const { username, totp } of accounts)
    if (totp !== undefined) inbox.show({ owner: username, secret: totp.secret })
  await gateway.listen()
  await Promise.all([listen(relyingParty, appPort), listen(inbox.server, inboxPort)])

  const offer = { gateway: issuer, relyingParty: app, inbox: mailPage, messages: `${mailPage}/messages.json`, accounts }
  console.log(values.json === true ? JSON.stringify(offer) : describe(offer, relative('.', dirname(folder))))

  async function end(): Promise<void> {
    await Promise.all([gateway.close(), close(relyingParty), close(inbox.server)])
    await site.close()
    await inbox.close()
  }
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => resolve())
  })
  asked.then(end).then(() => process.exit(0), fail)
}

/** What `--config` changes: objects key by key, lists item by item (the first client is the sample app), else all. */
function laidOver(under: unknown, over: unknown): unknown {
  if (Array.isArray(over)) return over.map((item, at) => laidOver(Array.isArray(under) ? under[at] : undefined, item))
  if (typeof under !== 'object' || under === null || typeof over !== 'object' || over === null) return over
  const below = new Map<string, unknown>(Object.entries(under))
  const laid = Object.entries(over).map(([key, value]) => [key, laidOver(below.get(key), value)])
  return { ...under, ...Object.fromEntries(laid) }
}

const DATA = join(import.meta.dirname, '..', 'data')

/** The folder belongs to whoever holds the port, so a second demo leaves the first one alone. */
function emptyFolder(port: number): string {
  const folder = join(DATA, 'demo', `${port}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** With `--keep`, accounts, factors and sessions are still there after a restart. */
function keptFolder(port: number): string {
  const folder = join(DATA, 'dev', `${port}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** Those of the first start in this folder. A file beside the database keeps their passwords, to be shown again. */
async function keptAccounts(site: Installation, folder: string): Promise<DemoAccount[]> {
  const file = join(folder, 'accounts.json')
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as DemoAccount[]
  const accounts = await makeAccounts(site)
  writeFileSync(file, `${JSON.stringify(accounts, null, 2)}\n`, { mode: 0o600 })
  return accounts
}

/** Three ports nobody listens on, from 3000 on. */
async function freePorts(): Promise<[number, number, number]> {
  const gateway = await nextFree(FIRST_PORT)
  const relyingParty = await nextFree(gateway + 1)
  return [gateway, relyingParty, await nextFree(relyingParty + 1)]
}

async function nextFree(from: number): Promise<number> {
  for (let port = from; port < 65_536; port++) {
    const probe = createServer()
    try {
      await listen(probe, port)
      await close(probe)
      return port
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    }
  }
  throw new Error(`no port from ${from} on is free`)
}

async function listen(server: Server, port: number): Promise<void> {
  server.listen(port, HOST)
  await once(server, 'listening')
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}

function describe({ gateway, relyingParty, inbox, accounts }: Offer, folder: string): string {
  const people = accounts.map(({ username, password, story }) => `    ${username.padEnd(6)} ${password}    ${story}`)
  const apps = accounts.flatMap(({ username, totp }) =>
    totp === undefined ? [] : [`  ${username}'s app`, `    key    ${totp.secret}`, `    URI    ${totp.uri}`, ''],
  )
  return [
    '',
    '  Stepgate demo',
    '',
    `    Start here   ${relyingParty}   a sample app: sign in there`,
    `    Inbox        ${inbox}   every mail, and the codes of the app below`,
    `    Gateway      ${gateway}   the OpenID Connect provider`,
    '',
    '  Users and passwords',
    ...people,
    '',
    ...apps,
    `  Ctrl-C ends it. Everything it wrote is in ${folder}.`,
    '',
  ].join('\n')
}

function fail(error: unknown): never {
  console.error(`demo: ${error instanceof Error ? error.message : error}`)
  process.exit(1)
}

await main().catch(fail)
