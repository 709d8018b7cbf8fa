import assert from 'node:assert/strict'
import { exchange } from '../harness/exchange.ts'
import type { Person } from '../harness/gateway.ts'
import type { Browser, BrowserResponse } from '../harness/http-client.ts'
import type { RelyingParty, Parameters as RequestParameters, SignIn } from '../harness/relying-party.ts'
import { VERIFIER } from '../harness/requests.ts'
import { seen, type TestSite, type TestSiteOptions } from '../harness/site.ts'
import { onSites, type SiteSuite } from '../harness/site-suites.ts'
import type { StoresKind } from '../harness/stores.ts'
import { codeAt } from '../harness/totp-app.ts'

export type { Person } from '../harness/gateway.ts'
export type { Browser, BrowserResponse } from '../harness/http-client.ts'
export type { RelyingParty, SignIn } from '../harness/relying-party.ts'
/** For requests whose codes are redeemed by hand. */
export { CHALLENGE as BY_HAND, VERIFIER } from '../harness/requests.ts'
export { type PartyOptions, seen, type TestSite, type TestSiteOptions } from '../harness/site.ts'

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

export interface WalkRequest extends WalkOptions {
  party?: string
  parameters?: RequestParameters
}

/** How far the clock stands behind at first, so that it can move on without being ahead of the engine's. */
const BEHIND = 120_000
const STEP = 30_000

const USUAL: TestSiteOptions = {
  parties: { app: {} },
  behind: BEHIND,
  // None of these tests is about them.
  limits: {
    interactionsPerAddress: 100_000,
    clientAuthPerMinute: 10_000,
    passwordFailuresPerAddress: 10_000,
    accountsPerAddress: 10_000,
  },
}

/** The same suite on Redis with PostgreSQL, and on the embedded stores. */
export function onBothStores(title: string, suite: SiteSuite): void {
  onSites(['servers', 'embedded'], title, suite, USUAL)
}

/** For what only servers can do, such as being down. */
export function onServers(title: string, suite: SiteSuite): void {
  onStores('servers', title, suite)
}

export function onStores(kind: StoresKind, title: string, suite: SiteSuite): void {
  onSites([kind], title, suite, USUAL)
}

/**
 * `app`: an authenticator app is bound as if long ago; default `bound`. `codes`: a set of recovery codes was made;
 * default `none`.
 */
export async function newMember(
  site: TestSite,
  given: { app?: 'bound' | 'none'; codes?: 'some' | 'none'; email?: string | null } = {},
): Promise<Member> {
  const { app = 'bound', codes = 'none', ...profile } = given
  const person = await site.person(profile)
  const secret = app === 'bound' ? await site.bindApp(person) : ''
  let last = 0
  const nextCode = (): string => {
    if (app === 'none') throw new Error('nobody bound an app')
    const now = Math.floor(site.now() / STEP)
    last = Math.max(last + 1, now)
    // Of the window, all are used.
    if (last > now + 1) site.gateway.clock.advance(STEP)
    return codeAt(secret, last * STEP)
  }
  return { ...person, nextCode, codes: codes === 'some' ? await site.renewCodes(person) : [] }
}

interface Turn extends WalkOptions {
  browser: Browser
  page: BrowserResponse
}

/** One form of a page; undefined where nobody here has an answer. */
async function answer(
  site: TestSite,
  member: Member,
  { browser, page, by, remember }: Turn,
): Promise<BrowserResponse | undefined> {
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
    return browser.submit(page, { code: site.appCode(page.text('[data-secret]')), ...ticked })
  }
  if (page.page === 'verify-recovery') return browser.submit(page, { code: member.codes.shift() ?? '' })
  if (page.page === 'verify-email') return browser.submit(page, { code: site.mailed(member), ...ticked })
  return undefined
}

/** Answers page after page until the relying party's turn comes. */
export async function walkOn(
  site: TestSite,
  browser: Browser,
  member: Member,
  from: BrowserResponse,
  options: WalkOptions = {},
): Promise<Walk> {
  const pages: string[] = []
  let page = from
  while (page.location === undefined && page.error === undefined && page.form !== undefined) {
    const next = await answer(site, member, { browser, page, ...options })
    if (next === undefined) break
    pages.push(`${page.page}`)
    assert.ok(pages.length < 10, `pages without end: ${pages.join(' → ')}`)
    page = next
  }
  return { pages, end: page }
}

/** A whole authorization request of a relying party. */
export async function askFor(
  site: TestSite,
  browser: Browser,
  member: Member,
  { party, parameters, ...rest }: WalkRequest = {},
): Promise<Walk> {
  return walkOn(site, browser, member, await browser.get(await site.party(party).authorize(parameters)), rest)
}

/** The same with its code redeemed. */
export async function signInAt(
  site: TestSite,
  browser: Browser,
  member: Member,
  request: WalkRequest = {},
): Promise<SignIn & { pages: string[] }> {
  const { pages, end } = await askFor(site, browser, member, request)
  assert.match(`${end.location}`, /[?&]code=/, `${pages.join(' → ')}: ${seen(end)}`)
  return { ...(await site.party(request.party).callback(`${end.location}`)), pages }
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

export interface TokenAnswer {
  status: number
  /** Empty for an answer that is not JSON. */
  body: { error?: string; access_token?: string; refresh_token?: string; id_token?: string; [name: string]: unknown }
}

/**
 * A request of the relying party to the token endpoint as it stands, with its secret unless `fields` says otherwise.
 */
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
