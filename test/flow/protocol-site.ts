import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe } from 'node:test'
import { newSecret } from '../../src/mfa/factors/totp/codes.ts'
import { exchange } from '../harness/exchange.ts'
import { type Person, type RunningGateway, type Stores, startGateway, startStores } from '../harness/gateway.ts'
import { type Browser, type BrowserResponse, createBrowser } from '../harness/http-client.ts'
import { needs } from '../harness/needs.ts'
import {
  type RelyingParty,
  type RelyingPartyOptions,
  type Parameters as RequestParameters,
  type SignIn,
  startRelyingParty,
} from '../harness/relying-party.ts'
import { freePort } from '../harness/services.ts'
import { type SmtpService, startSmtp } from '../harness/smtp.ts'
import { codeAt } from '../harness/totp-app.ts'

export type { Person } from '../harness/gateway.ts'
export type { Browser, BrowserResponse } from '../harness/http-client.ts'
export type { RelyingParty, SignIn } from '../harness/relying-party.ts'

export type PartyOptions = Omit<RelyingPartyOptions, 'issuer' | 'clientId'>

export interface ProtocolOptions {
  /** Relying parties by client id; default: one, `app`. */
  parties?: Record<string, PartyOptions>
  /** More clients of the file, of which nobody runs a relying party. */
  clients?: readonly object[]
  /** Keys of the file; top-level keys replace. */
  config?: Record<string, unknown>
  /** `on` starts a mail server for it. */
  mail?: 'on'
  latency?: number
}

/** Somebody who can answer every page. */
export interface Member extends Person {
  /** What the app shows, a step that was not used yet. */
  nextCode(): string
  /** Recovery codes, as they were shown. */
  codes: string[]
}

export interface Walk {
  /** The pages that were answered, in order. */
  pages: string[]
  /** The last answer: a redirect to the relying party, or a page nobody here can answer. */
  end: BrowserResponse
}

export interface WalkOptions {
  /** The second factor that is picked where there is a choice. */
  by?: 'totp' | 'email' | 'recovery'
  remember?: 'on'
}

export interface ProtocolSite {
  readonly kind: 'servers' | 'embedded'
  readonly gateway: RunningGateway
  readonly stores: Stores
  readonly smtp: SmtpService
  party(id?: string): RelyingParty
  /** `app`: an authenticator app is bound as if long ago; default `bound`. `codes`: a set of recovery codes was made; default `none`. */
  member(given?: { app?: 'bound' | 'none'; codes?: 'some' | 'none'; email?: string | null }): Promise<Member>
  browser(): Browser
  /** Answers page after page until the relying party's turn comes. */
  walk(browser: Browser, member: Member, from: BrowserResponse, options?: WalkOptions): Promise<Walk>
  /** A whole authorization request of a relying party. */
  ask(
    browser: Browser,
    member: Member,
    request?: WalkOptions & { party?: string; parameters?: RequestParameters },
  ): Promise<Walk>
  /** The same with its code redeemed. */
  signIn(
    browser: Browser,
    member: Member,
    request?: WalkOptions & { party?: string; parameters?: RequestParameters },
  ): Promise<SignIn & { pages: string[] }>
}

type Suite = (site: (options?: ProtocolOptions) => ProtocolSite) => void

/** The same suite on Redis with PostgreSQL, and on the embedded stores. */
export function onBothStores(title: string, suite: Suite): void {
  onServers(title, suite)
  onStores('embedded', title, suite)
}

/** For what only servers can do, such as being down. */
export function onServers(title: string, suite: Suite): void {
  onStores('servers', title, suite)
}

export function onStores(kind: ProtocolSite['kind'], title: string, suite: Suite): void {
  const skip = kind === 'servers' ? needs('redis-server', 'postgres') : false
  describe(`${title}: ${kind}`, { skip }, () => {
    let stores: Stores
    before(async () => {
      stores = await startStores(kind)
    })
    after(() => stores?.stop())
    suite((options = {}) => siteOn(kind, () => stores, options))
  })
}

/** How far the clock stands behind at first, so that it can move on without being ahead of the engine's. */
const BEHIND = 120_000
const STEP = 30_000
/** None of these tests is about them. */
const WIDE_LIMITS = {
  interactionsPerAddress: 100_000,
  clientAuthPerMinute: 10_000,
  passwordFailuresPerAddress: 10_000,
  accountsPerAddress: 10_000,
}

function siteOn(kind: ProtocolSite['kind'], stores: () => Stores, options: ProtocolOptions): ProtocolSite {
  const parties = new Map<string, RelyingParty>()
  let gateway: RunningGateway
  let smtp: SmtpService | undefined

  before(async () => {
    try {
      await start()
    } catch (error) {
      // No after hook follows a before hook that failed, and what listens would keep the process alive.
      await stop()
      throw error
    }
  })
  after(stop)

  async function start(): Promise<void> {
    const port = await freePort()
    const issuer = `http://127.0.0.1:${port}`
    for (const [clientId, given] of Object.entries(options.parties ?? { app: {} })) {
      const clientSecret = randomBytes(32).toString('base64url')
      parties.set(clientId, await startRelyingParty({ clientSecret, ...given, issuer, clientId }))
    }
    if (options.mail === 'on') smtp = await startSmtp()
    const { limits, ...config } = options.config ?? {}
    gateway = await startGateway({
      stores: stores(),
      port,
      config: {
        clients: [...[...parties.values()].map(({ client }) => client), ...(options.clients ?? [])],
        outbound: { allowHosts: ['127.0.0.1'] },
        ...(smtp !== undefined && { mail: { smtp: smtp.url, from: 'Example <id@example.test>' } }),
        limits: { ...WIDE_LIMITS, ...(limits as object) },
        ...config,
      },
      ...(options.latency !== undefined && { latency: options.latency }),
    })
    gateway.clock.advance(-BEHIND)
  }

  async function stop(): Promise<void> {
    await gateway?.stop()
    await Promise.all([...[...parties.values()].map((party) => party.stop()), smtp?.stop()])
  }

  /** One form of a page; undefined where nobody here has an answer. */
  async function answer(browser: Browser, member: Member, { page, by, remember }: Turn) {
    const ticked = remember !== undefined && page.form?.fields.includes('remember') ? { remember } : {}
    if (page.page === 'login') {
      return browser.submit(page, { username: member.username, password: member.password })
    }
    const offers = page.form?.buttons.some(({ value }) => value === 'choose')
    if (by !== undefined && page.page?.startsWith('verify-') && page.page !== `verify-${by}` && offers) {
      return browser.submit(page, { action: 'choose' })
    }
    if (page.page === 'choose') return browser.submit(page, { method: by ?? 'totp' })
    if (page.page === 'verify-totp') return browser.submit(page, { code: member.nextCode(), ...ticked })
    if (page.page === 'bind-totp') {
      const code = codeAt(page.text('[data-secret]'), gateway.clock.now())
      return browser.submit(page, { code, ...ticked })
    }
    if (page.page === 'verify-recovery') return browser.submit(page, { code: member.codes.shift() ?? '' })
    if (page.page === 'verify-email') {
      const code = site.smtp.codeFor(`${member.email}`)
      return browser.submit(page, { code, ...ticked })
    }
    return undefined
  }

  const site: ProtocolSite = {
    kind,
    get gateway() {
      return gateway
    },
    get stores() {
      return stores()
    },
    get smtp() {
      if (smtp === undefined) throw new Error('this site has no mail server')
      return smtp
    },
    party(id = [...parties.keys()][0] ?? '') {
      const found = parties.get(id)
      if (found === undefined) throw new Error(`no relying party ${id}`)
      return found
    },
    async member({ app = 'bound', codes = 'none', ...given } = {}) {
      const person = await gateway.person(given)
      const secret = app === 'bound' ? await bindApp(gateway, person) : ''
      let last = 0
      const nextCode = (): string => {
        if (app === 'none') throw new Error('nobody bound an app')
        const now = Math.floor(gateway.clock.now() / STEP)
        last = Math.max(last + 1, now)
        // Of the window, all are used.
        if (last > now + 1) gateway.clock.advance(STEP)
        return codeAt(secret, last * STEP)
      }
      return { ...person, nextCode, codes: codes === 'some' ? await codesOf(gateway, person) : [] }
    },
    browser: () => createBrowser({ origin: gateway.issuer }),
    async walk(browser, member, from, { by, remember } = {}) {
      const pages: string[] = []
      let page = from
      while (page.location === undefined && page.error === undefined && page.form !== undefined) {
        const next = await answer(browser, member, { page, by, remember })
        if (next === undefined) break
        pages.push(`${page.page}`)
        assert.ok(pages.length < 10, `pages without end: ${pages.join(' → ')}`)
        page = next
      }
      return { pages, end: page }
    },
    async ask(browser, member, { party, parameters, ...rest } = {}) {
      return site.walk(browser, member, await browser.get(await site.party(party).authorize(parameters)), rest)
    },
    async signIn(browser, member, request = {}) {
      const { pages, end } = await site.ask(browser, member, request)
      assert.match(`${end.location}`, /[?&]code=/, `${pages.join(' → ')}: ${seen(end)}`)
      return { ...(await site.party(request.party).callback(`${end.location}`)), pages }
    },
  }
  return site
}

interface Turn {
  page: BrowserResponse
  by: WalkOptions['by']
  remember: WalkOptions['remember']
}

async function bindApp({ site }: RunningGateway, { id }: Person): Promise<string> {
  const secret = newSecret()
  const record = { secret, digits: 6, period: STEP, lastStep: 0 }
  const binding = { id: randomBytes(16).toString('hex'), accountId: id, type: 'totp', label: undefined, record }
  const audit = { event: 'factor.added', outcome: 'ok', account: id } as const
  assert.equal(await site.bindings.insert({ ...binding, boundAt: 0 }, { maxOfType: 5, audit }), true)
  return secret
}

async function codesOf({ site }: RunningGateway, { id }: Person): Promise<string[]> {
  const account = await site.accounts.find(id)
  if (account === undefined) throw new Error(`no account ${id}`)
  return site.recoveryCodes.renew(account, {})
}

/** An answer in one line, for messages of assertions. */
export function seen({ status, page, error, location, url }: BrowserResponse): string {
  return [status, page, error, location ?? url].filter((part) => part !== undefined).join(' ')
}

/** What a relying party reads in a redirect to it, in query or fragment. */
export function answerIn(end: BrowserResponse): Record<string, string> {
  assert.ok(end.location !== undefined, `not a redirect: ${seen(end)}`)
  const { search, hash } = new URL(end.location)
  return Object.fromEntries(new URLSearchParams(search || hash.slice(1)))
}

/** `error` of openid-client's and our own protocol errors. */
export function protocolError(name: string): (error: unknown) => true {
  return (error) => {
    const { error: given } = error as { error?: unknown }
    assert.equal(given, name, `${error}`)
    return true
  }
}

/** A PKCE pair (RFC 7636, appendix B) for requests whose codes are redeemed by hand. */
export const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
export const BY_HAND = { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' }

export interface TokenAnswer {
  status: number
  /** Empty for an answer that is not JSON. */
  body: { error?: string; access_token?: string; refresh_token?: string; id_token?: string; [name: string]: unknown }
}

/** A request of the relying party to the token endpoint as it stands, with its secret unless `fields` says otherwise. */
export async function tokenRequest(rp: RelyingParty, fields: Record<string, string>): Promise<TokenAnswer> {
  const { token_endpoint } = (await rp.configuration()).serverMetadata()
  const { client_id, client_secret } = rp.client
  const body = { client_id, ...(client_secret !== undefined && { client_secret }), ...fields }
  return postForm(`${token_endpoint}`, body)
}

/** The code of a redirect to the relying party, redeemed by hand. */
export function redeemByHand(rp: RelyingParty, end: BrowserResponse, fields: Record<string, string> = {}) {
  const { code = '' } = answerIn(end)
  const given = { grant_type: 'authorization_code', code, redirect_uri: rp.redirectUri, code_verifier: VERIFIER }
  return tokenRequest(rp, { ...given, ...fields })
}

export async function postForm(
  url: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<TokenAnswer> {
  const sent = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', ...headers }
  const body = new URLSearchParams(fields).toString()
  const answer = await exchange({ method: 'POST', url, headers: sent, body })
  const json = `${answer.headers['content-type']}`.includes('json')
  return { status: answer.status, body: json ? JSON.parse(answer.body.toString('utf8')) : {} }
}

/** 200, or what it is refused with. */
export async function userinfoStatus(rp: RelyingParty, token: string | undefined): Promise<number> {
  const { userinfo_endpoint } = (await rp.configuration()).serverMetadata()
  const headers = { accept: 'application/json', authorization: `Bearer ${token}` }
  return (await exchange({ url: `${userinfo_endpoint}`, headers })).status
}
