import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { AuditEventName, AuditRecord } from '../../src/audit/audit.ts'
import type { Log } from '../../src/kernel/log.ts'
import { randomToken } from '../../src/kernel/secrets.ts'
import type { Mailer } from '../../src/mail/mailer.ts'
import { newSecret } from '../../src/mfa/factors/totp/codes.ts'
import { type Answer, type Exchange, exchange } from './exchange.ts'
import { type GatewayOptions, type Person, type RunningGateway, startGateway } from './gateway.ts'
import { type Browser, type BrowserOptions, type BrowserResponse, createBrowser } from './http-client.ts'
import type { RelyingParty, RelyingPartyOptions, Parameters as RequestParameters, SignIn } from './relying-party.ts'
import { requestOf } from './requests.ts'
import { freePort } from './services.ts'
import { type SmtpService, startSmtp } from './smtp.ts'
import type { Stores, StoresKind } from './stores.ts'
import { codeAt } from './totp-app.ts'

export type PartyOptions = Omit<RelyingPartyOptions, 'issuer' | 'clientId'>

export interface TestSiteOptions extends Omit<GatewayOptions, 'stores' | 'mailer'> {
  /** Relying parties that run, by client id; default: none, and the gateway has the client `CLIENT` alone. */
  parties?: Readonly<Record<string, PartyOptions>>
  /** Laid over the entry of each of them in the file. */
  client?: Readonly<Record<string, unknown>>
  /** More clients of the file, of which nobody runs a relying party. */
  clients?: readonly object[]
  /** `on` starts a mail server for it. */
  mail?: 'on'
  /** In place of the one that sends to the mail server. */
  mailer?: Mailer | ((smtp: SmtpService) => Mailer)
  /** Proxies whose X-Forwarded-* count; default: none. */
  trusted?: readonly string[]
  /** `own`: each browser is at an address of its own, which 127.0.0.1 as a trusted proxy says; default `shared`. */
  addresses?: 'own' | 'shared'
  /** Limits of the file that `config.limits` is laid over. */
  limits?: Readonly<Record<string, number>>
  /**
   * Milliseconds by which the clock starts behind the engine's, which is real: so far it can go on without ending new
   * sign-ins.
   */
  behind?: number
}

/** The running product with whom it needs: relying parties, a mail server, people and their browsers. */
export interface TestSite {
  readonly kind: StoresKind
  readonly stores: Stores
  readonly gateway: RunningGateway
  readonly issuer: string
  /** Where it listens, whatever its issuer says. */
  readonly port: number
  /** Throws without `mail`. */
  readonly smtp: SmtpService
  /** What the log has said at level error since the start. */
  readonly faults: readonly string[]
  /** The first one unless an id is given. */
  party(id?: string): RelyingParty
  person(given?: NewPerson): Promise<Person>
  browser(given?: SiteBrowserOptions): Browser
  /** An app bound as if long ago; answers its key. */
  bindApp(person: Pick<Person, 'id'>): Promise<string>
  /** What the app of this key shows now, or some steps from now. */
  appCode(secret: string, steps?: number): string
  /** The code that the mail server got last for this person. */
  mailed(person: Person): string
  /** A new set of recovery codes. */
  renewCodes(person: Pick<Person, 'id'>): Promise<string[]>
  now(): number
  /** The first page of a request: of the first relying party, or of `CLIENT` where none runs. */
  open(browser: Browser, parameters?: RequestParameters): Promise<BrowserResponse>
  /** The page after the right password. */
  enter(
    browser: Browser,
    person: Pick<Person, 'username' | 'password'>,
    parameters?: RequestParameters,
  ): Promise<BrowserResponse>
  /** Redeems the code at the end of a sign-in at the first relying party. */
  redeem(page: BrowserResponse): Promise<SignIn>
  /** One request to where the gateway listens as it is: no cookies, no redirects. */
  send(method: string, path: string, given?: Pick<Exchange, 'headers' | 'body'>): Promise<Answer>
  /** What the audit log has under these names, oldest first; all of it without a name. */
  events(...names: AuditEventName[]): Promise<AuditRecord[]>
  stop(): Promise<void>
}

export type NewPerson = Parameters<RunningGateway['person']>[0]

export interface SiteBrowserOptions extends BrowserOptions {
  address?: string
  language?: string
  userAgent?: string
}

const STEP = 30_000

let addresses = 0

/** Of a network for benchmarks (RFC 2544), so that limits by address do not meet. */
export function newAddress(): string {
  addresses++
  return `198.18.${addresses >> 8}.${addresses & 255}`
}

/** Starts the gateway on these stores, which it leaves running, and whom it needs. */
export async function createTestSite(options: TestSiteOptions & { stores: Stores }): Promise<TestSite> {
  for (let attempt = 1; ; attempt++) {
    const parts: Parts = { parties: new Map(), smtp: undefined }
    const faults: string[] = []
    try {
      return siteOf(options, parts, faults, await startParts(options, parts, faults))
    } catch (error) {
      // What listens would keep the process alive.
      await stopParts(parts)
      const taken = (error as NodeJS.ErrnoException).code === 'EADDRINUSE' && options.port === undefined
      if (!taken || attempt === 3) throw error
    }
  }
}

interface Parts {
  parties: Map<string, RelyingParty>
  smtp: SmtpService | undefined
}

async function startParts(
  options: TestSiteOptions & { stores: Stores },
  parts: Parts,
  faults: string[],
): Promise<RunningGateway> {
  const { parties: _, client, clients, mail, mailer, trusted = [], addresses, limits, behind, ...given } = options
  const port = options.port ?? (await freePort())
  const issuer = options.issuer ?? `http://127.0.0.1:${port}`
  if (mail === 'on') parts.smtp = await startSmtp()
  await startParties(options.parties ?? {}, issuer, parts.parties)
  const entries = [...[...parts.parties.values()].map((party) => ({ ...party.client, ...client })), ...(clients ?? [])]
  const { limits: own, ...config } = options.config ?? {}
  const ownMailer = typeof mailer === 'function' ? mailer(smtpOf(parts)) : mailer
  const gateway = await startGateway({
    ...given,
    port,
    issuer,
    log: options.log ?? faultsOf(faults),
    ...(ownMailer !== undefined && { mailer: ownMailer }),
    config: {
      listen: { port, trustedProxies: addresses === 'own' ? ['127.0.0.1', ...trusted] : trusted },
      ...(parts.parties.size > 0 && { outbound: { allowHosts: ['127.0.0.1'] } }),
      ...(entries.length > 0 && { clients: entries }),
      ...(parts.smtp !== undefined && { mail: { smtp: parts.smtp.url, from: 'Example <id@example.test>' } }),
      ...((limits !== undefined || own !== undefined) && { limits: { ...limits, ...(own as object) } }),
      ...config,
    },
  })
  gateway.clock.advance(-(behind ?? 0))
  return gateway
}

async function startParties(
  wanted: Readonly<Record<string, PartyOptions>>,
  issuer: string,
  running: Map<string, RelyingParty>,
): Promise<void> {
  if (Object.keys(wanted).length === 0) return
  const { startRelyingParty } = await import('./relying-party.ts')
  for (const [clientId, given] of Object.entries(wanted)) {
    const clientSecret = randomBytes(32).toString('base64url')
    running.set(clientId, await startRelyingParty({ clientSecret, ...given, issuer, clientId }))
  }
}

async function stopParts({ parties, smtp }: Parts): Promise<void> {
  await Promise.all([...[...parties.values()].map((party) => party.stop()), smtp?.stop()])
}

function smtpOf({ smtp }: Parts): SmtpService {
  if (smtp === undefined) throw new Error('this site has no mail server')
  return smtp
}

function siteOf(
  { stores, addresses }: TestSiteOptions & { stores: Stores },
  parts: Parts,
  faults: readonly string[],
  gateway: RunningGateway,
): TestSite {
  const site: TestSite = {
    kind: stores.kind,
    stores,
    gateway,
    issuer: gateway.issuer,
    get port() {
      return gateway.installation.config.listen.port
    },
    get smtp() {
      return smtpOf(parts)
    },
    faults,
    party(id = [...parts.parties.keys()][0] ?? '') {
      const found = parts.parties.get(id)
      if (found === undefined) throw new Error(`no relying party ${id}`)
      return found
    },
    person: (given) => gateway.person(given),
    browser: (given = {}) =>
      browserOf(gateway.issuer, addresses === 'own' ? { address: newAddress(), ...given } : given),
    async bindApp({ id }) {
      const secret = newSecret()
      const record = { secret, digits: 6, period: STEP, lastStep: 0 }
      const binding = { id: randomToken(16), accountId: id, type: 'totp', label: undefined, record, boundAt: 0 }
      const audit = { event: 'factor.added', outcome: 'ok', account: id } as const
      assert.equal(await gateway.installation.bindings.insert(binding, { maxOfType: 5, audit }), true)
      return secret
    },
    appCode: (secret, steps = 0) => codeAt(secret, gateway.clock.now() + steps * STEP),
    mailed: ({ email }) => site.smtp.codeFor(`${email}`),
    async renewCodes({ id }) {
      const { accounts, recoveryCodes } = gateway.installation
      return recoveryCodes.renew((await accounts.find(id)) ?? assert.fail(`no account ${id}`), {})
    },
    now: () => gateway.clock.now(),
    async open(browser, parameters) {
      const asks = parts.parties.size > 0
      return browser.get(asks ? await site.party().authorize(parameters) : requestOf(gateway.issuer, parameters))
    },
    async enter(browser, { username, password }, parameters) {
      const page = await site.open(browser, parameters)
      assert.equal(page.page, 'login', seen(page))
      return browser.submit(page, { username, password })
    },
    redeem(page) {
      assert.match(`${page.location}`, /[?&]code=/, seen(page))
      return site.party().callback(`${page.location}`)
    },
    send: (method, path, given = {}) =>
      exchange({ method, url: `${gateway.issuer}${path}`, connect: { port: site.port }, ...given }),
    async events(...names) {
      const { trail, audit } = gateway.installation
      await trail.flush()
      const all = await audit.list({})
      return names.length === 0 ? all : all.filter(({ event }) => names.includes(event))
    },
    async stop() {
      await gateway.stop()
      await stopParts(parts)
    },
  }
  return site
}

function browserOf(issuer: string, { address, language, userAgent, headers, ...given }: SiteBrowserOptions): Browser {
  return createBrowser({
    origin: issuer,
    ...given,
    headers: {
      ...(address !== undefined && { 'x-forwarded-for': address }),
      ...(language !== undefined && { 'accept-language': language }),
      ...(userAgent !== undefined && { 'user-agent': userAgent }),
      ...headers,
    },
  })
}

/** Keeps what is an error; the rest of the log is nobody's business here. */
export function faultsOf(faults: string[]): Log {
  return {
    debug() {},
    info() {},
    warn() {},
    error(message, { error, ...details } = {}) {
      const shown = error instanceof Error ? (error.stack ?? `${error}`) : `${error ?? ''}`
      faults.push(`${message} ${JSON.stringify(details)} ${shown}`)
    },
  }
}

/** An answer in one line, for messages of assertions. */
export function seen({ status, page, error, location, url }: BrowserResponse): string {
  return [status, page, error, location ?? url].filter((part) => part !== undefined).join(' ')
}

/** Asserts that this is that page with that problem, none when undefined; answers it. */
export function assertPage(response: BrowserResponse, page: string, error?: string, status?: number): BrowserResponse {
  assert.equal(response.page, page, seen(response))
  assert.equal(response.error, error, seen(response))
  assert.equal(response.location, undefined, seen(response))
  if (status !== undefined) assert.equal(response.status, status, seen(response))
  return response
}
