import { randomBytes } from 'node:crypto'
import { exchange } from '../harness/exchange.ts'
import { type BrowserResponse, createBrowser, type Fields, type Form } from '../harness/http-client.ts'
import { codeAt } from '../harness/totp-app.ts'
import {
  alive,
  type Claims,
  commit,
  type Issue,
  type Proof,
  type Request,
  type Tab,
  type WalkAccount,
  type Walker,
} from './model.ts'
import { askedOf, liveOf, objection, type Standing, wrongClaims } from './oracle.ts'
import { createRandom, type Random } from './random.ts'
import { CALLBACK, CODE_TTL, type Factor, HOUR, MINUTE, SECOND, SESSION, type WalkClient, type World } from './world.ts'

/** A promise that was not kept. */
export class Broken extends Error {
  override name = 'Broken'
}

/** What the walker is about to send, in the model's words. */
export interface Intent {
  fields: Fields
  password?: { account: WalkAccount; right: boolean }
  code?: { method: Factor; account: WalkAccount | undefined; right: boolean; binds?: string; step?: number }
  remember?: true
  cancels?: true
  later?: true
}

/** One walk: its people, its browsers, and everything they did so far. */
export interface Walk {
  world: World
  seed: number
  random: Random
  /** Those it goes to. */
  clients: WalkClient[]
  accounts: WalkAccount[]
  walkers: Walker[]
  issues: Issue[]
  /** By the interaction's uid. */
  requests: Map<string, Request>
  /** What was done, one line each. */
  story: string[]
}

/** More redirects than any answer needs. */
const MOST_REDIRECTS = 5
const STEP = 30 * SECOND
const FRESH = 5 * MINUTE

export function createWalk(world: World, seed: number): Walk {
  return {
    world,
    seed,
    random: createRandom(seed),
    clients: [],
    accounts: [],
    walkers: [],
    issues: [],
    requests: new Map(),
    story: [],
  }
}

export function tell(walk: Walk, line: string): void {
  walk.story.push(line)
  if (/^\d+$/.test(process.env.STEPGATE_WALK_SEED ?? '')) console.log(line)
}

let addresses = 0

export async function addAccount(walk: Walk, given: { address: boolean; groups?: string[] }): Promise<WalkAccount> {
  const { groups = [] } = given
  const username = `walker-${walk.seed}-${walk.accounts.length + 1}`
  const person = await walk.world.gateway.person({ username, groups, ...(given.address ? {} : { email: null }) })
  const account: WalkAccount = {
    ...person,
    groups,
    disabled: false,
    sessions: 0,
    factors: 0,
    apps: [],
    mailBound: false,
    postponements: new Map(),
  }
  walk.accounts.push(account)
  return account
}

export function addWalker(walk: Walk, given: { address?: string } = {}): Walker {
  const number = walk.walkers.length
  addresses++
  const address = given.address ?? `198.18.${(addresses >> 8) & 255}.${addresses & 255}`
  const browser = createBrowser({ origin: walk.world.gateway.issuer, headers: { 'x-forwarded-for': address } })
  const walker: Walker = {
    name: 'ABCDEF'[number] ?? '?',
    browser,
    address,
    session: undefined,
    devices: [],
    lost: [],
    tabs: [],
  }
  walk.walkers.push(walker)
  return walker
}

/** Sends an authorization request from a new tab. */
export async function open(
  walk: Walk,
  who: Walker,
  { client, params = {} }: { client: WalkClient; params?: Record<string, string> },
): Promise<Tab> {
  const random = (): string => randomBytes(12).toString('base64url')
  const sent = {
    client_id: client.id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid',
    state: random(),
    nonce: random(),
    ...params,
  }
  const tab: Tab = {
    who,
    request: requestOf(walk, who, { client, params: sent }),
    openedAt: walk.world.now(),
    pages: [],
  }
  who.tabs.push(tab)
  const url = `${walk.world.gateway.issuer}/auth?${new URLSearchParams(sent)}`
  await arrive(walk, tab, await who.browser.get(url))
  return tab
}

function requestOf(walk: Walk, who: Walker, given: Pick<Request, 'client' | 'params'>): Request {
  const now = walk.world.now()
  const { prompt, max_age } = given.params
  const { session } = who
  const oldest = Number(max_age ?? Number.POSITIVE_INFINITY) * SECOND + SECOND
  const tooOld = alive(session, now) && session.proofs.every(({ at }) => now - at > oldest)
  return {
    ...given,
    startedAt: now,
    anew: prompt?.includes('login') === true || tooOld,
    account: undefined,
    proofs: [],
    postponed: undefined,
    codes: new Map(),
    cancelled: false,
  }
}

/** Sends a form of this tab: the one on the screen, or an older one. */
export async function send(
  walk: Walk,
  tab: Tab,
  { page, intent, form = page.form }: { page: BrowserResponse; intent: Intent; form?: Form | undefined },
): Promise<BrowserResponse> {
  const { who } = tab
  // An old page belongs to the request it was opened for, although the tab has begun anew since.
  tab.request = requestFor(walk, tab, page)
  if (intent.cancels) tab.request.cancelled = true
  const response = await who.browser.submit(page, intent.fields, form === undefined ? {} : { form })
  await note(walk, tab, { page, intent, response })
  await arrive(walk, tab, response, page)
  return response
}

function requestFor({ requests }: Walk, tab: Tab, page: BrowserResponse): Request {
  return requests.get(`${uidOf(page)}`) ?? tab.request
}

/** Everything that must hold of any answer, and what the model learns from it. */
export async function arrive(walk: Walk, tab: Tab, response: BrowserResponse, from?: BrowserResponse): Promise<void> {
  const { world } = walk
  const { who } = tab
  tab.pages.push(response)
  const path = response.visited.map((url) => new URL(url).pathname.replace(/[\w-]{20,}/g, '…')).join(' → ')
  const to =
    response.location === undefined ? '' : ` → ${response.location.replace(/([?&](?:code|state|iss)=)[^&]*/g, '$1…')}`
  tell(walk, `    ${response.status} ${path} ${response.page ?? ''} ${response.error ?? ''}${to}`)
  if (world.errors.length > 0) throw new Broken(`the log says: ${world.errors.splice(0).join('\n')}`)
  if (response.status >= 500) throw new Broken(`${response.status}: ${response.text()}`)
  if (response.visited.length > MOST_REDIRECTS) throw new Broken('redirects go on and on')
  restarted(walk, tab, response)
  const uid = uidOf(response)
  if (uid !== undefined) {
    tab.request = walk.requests.get(uid) ?? tab.request
    walk.requests.set(uid, tab.request)
  }
  readMail(walk, tab, from)
  checkPage(walk, tab, response)
  if (alive(who.session, world.now())) who.session.usedAt = world.now()
  if (response.page === 'consent') commit(who, tab.request, world.now())
  if (response.location?.startsWith(CALLBACK)) await answered(walk, tab, new URL(response.location))
}

/** A page that is over may lead back to its request: that begins anew, with nothing proved. */
function restarted(walk: Walk, tab: Tab, { visited }: BrowserResponse): void {
  const again = visited.slice(tab.pages.length === 1 ? 1 : 0).find((url) => new URL(url).pathname === '/auth')
  if (again !== undefined) tab.request = requestOf(walk, tab.who, tab.request)
}

function checkPage(walk: Walk, tab: Tab, response: BrowserResponse): void {
  const { request } = tab
  if (response.page === undefined && response.location === undefined && response.status === 200) {
    throw new Broken(`no page of ours: ${response.body.slice(0, 200)}`)
  }
  if (request.params.prompt === 'none' && response.page !== undefined && response.page !== 'error') {
    throw new Broken(`prompt=none shows ${response.page}`)
  }
  if (response.page === 'bind-totp') checkBinding(walk, tab)
  const over = response.page === 'error' && (response.error === 'expired' || response.error === 'csrf')
  // A request is remembered for an hour after its pages were over.
  const remembered = walk.world.now() < tab.openedAt + SESSION.signIn + HOUR
  if (over && remembered && response.find('main a[href]') === undefined)
    throw new Broken('a page that is over leads nowhere')
}

/**
 * A password alone never reaches a QR where an address is on record and mail is configured, and a bound app is not
 * doubled (B3, FB-1).
 */
function checkBinding({ world }: Walk, { who, request }: Tab): void {
  const account = request.account ?? who.session?.account
  if (account === undefined) throw new Broken('a QR for nobody')
  if (account.apps.length > 0) throw new Broken('a QR for somebody who has an app')
  const proofs = [...request.proofs, ...(alive(who.session, world.now()) ? who.session.proofs : [])]
  const fresh = proofs.filter((proof) => proof.account === account && proof.at >= request.startedAt - FRESH - SECOND)
  const needed = account.email !== undefined && world.smtp !== undefined ? 'email' : 'password'
  if (!fresh.some(({ method }) => method === needed)) throw new Broken(`a QR without a fresh ${needed}`)
}

/** The mail that this answer caused belongs to its interaction. */
function readMail({ world, accounts }: Walk, tab: Tab, from: BrowserResponse | undefined): void {
  const { smtp } = world
  if (smtp === undefined) return
  const uid = uidOf(tab.pages.at(-1)) ?? uidOf(from)
  for (const mail of smtp.messages) {
    const account = accounts.find(({ email }) => email !== undefined && mail.to.includes(email))
    const code = mail.text.match(/^\d{6}$/m)?.[0]
    if (account !== undefined && code !== undefined && uid !== undefined) {
      tab.request.codes.set(`${uid} ${account.id}`, { code, at: world.now() })
    }
  }
  smtp.clear()
}

export function uidOf(page: BrowserResponse | undefined): string | undefined {
  return page && /\/interaction\/([\w-]+)/.exec(page.form?.action ?? page.url)?.[1]
}

/** The relying party hears something. */
async function answered(walk: Walk, tab: Tab, location: URL): Promise<void> {
  const { world } = walk
  const { who, request } = tab
  const now = world.now()
  const error = location.searchParams.get('error')
  if (error !== null) return checkError(walk, tab, error)
  const code = location.searchParams.get('code')
  if (code === null) throw new Broken(`neither code nor error: ${location.href}`)
  if (location.searchParams.get('state') !== request.params.state) throw new Broken('the answer to another request')
  commit(who, request, now)
  const { session } = who
  if (!alive(session, now)) throw new Broken('a code for nobody')
  const { account } = session
  const own = request.proofs.filter((proof) => proof.account === account && proof.epoch === account.sessions)
  const proofs = request.anew ? own : session.proofs
  const asked = askedOf(world, { ...request, account, address: who.address })
  const issue: Issue = {
    asked,
    code,
    at: now,
    client: request.client,
    request: { ...request, proofs: [...request.proofs] },
    account,
    epoch: account.sessions,
    session,
    proofs: [...proofs],
    who,
    redeemed: false,
  }
  const standing = standingOf(walk, issue)
  const objected = objection(asked, standing, world)
  if (objected !== undefined) throw new Broken(`a code for ${account.username} at ${request.client.id}: ${objected}`)
  walk.issues.push(issue)
  count(world, request.proofs.length === 0 ? 'codes by a session' : 'codes after pages')
  if (request.proofs.length > 0 && own.length < session.proofs.length) count(world, 'codes after a step-up')
  const sparing = { ...standing, session: { account, postponed: undefined } }
  if (objection(asked, { ...standing, devices: undefined }, world) !== undefined) count(world, 'spared by a device')
  else if (objection(asked, sparing, world) !== undefined) count(world, 'put off')
}

function count({ seen }: World, what: string): void {
  seen.set(what, (seen.get(what) ?? 0) + 1)
}

function standingOf({ world }: Walk, issue: Issue): Standing {
  const { who, request, session, proofs } = issue
  const asOf = request.proofs.length > 0 ? request.startedAt : issue.at
  return { proofs, devices: request.anew ? undefined : who.devices, session, asOf, now: world.now() }
}

const EXPECTED_ERRORS = new Set(['login_required', 'interaction_required', 'consent_required'])

function checkError({ world }: Walk, { who, request }: Tab, error: string): void {
  const account = request.account ?? who.session?.account
  const { params, client } = request
  const asked = account && askedOf(world, { account, client, address: who.address, params })
  // The sign-in itself went through.
  if (error === 'login_required' || asked?.impossible) commit(who, request, world.now())
  count(world, error)
  if (error === 'access_denied' && (request.cancelled || asked?.deny)) return
  if (error === 'unmet_authentication_requirements' && (asked === undefined || asked.impossible || asked.levels)) return
  if (EXPECTED_ERRORS.has(error) && (params.prompt === 'none' || params.id_token_hint !== undefined)) return
  throw new Broken(`the relying party got ${error} for no reason`)
}

/** What the gateway took, as far as its answer shows. */
async function note(
  walk: Walk,
  tab: Tab,
  { page, intent, response }: { page: BrowserResponse; intent: Intent; response: BrowserResponse },
): Promise<void> {
  // A page that has done its work judges nothing: its request begins anew.
  if (response.visited.some((url) => new URL(url).pathname === '/auth')) return
  const { request, who } = tab
  const now = walk.world.now()
  if (intent.password?.right && passed(response, 'login')) {
    const { account } = intent.password
    const proof: Proof = { account, epoch: account.sessions, method: 'password', at: now }
    request.proofs = [proof]
    request.account = account
    request.postponed = undefined
  }
  if (intent.later && response.error === undefined) postpone(walk, tab, response)
  const { code } = intent
  if (code?.account === undefined || !code.right || !passed(response, page.page ?? '')) return
  const { account, method } = code
  const added = await learnBindings(walk, account, code)
  request.account ??= account
  request.proofs = [
    ...request.proofs.filter((proof) => proof.method !== method),
    { account, epoch: account.sessions, method, at: now },
  ]
  if (added) account.factors++
  if (intent.remember) {
    const { rememberDays } = askedOf(walk.world, { ...request, account, address: who.address })
    const { sessions: epoch, factors } = account
    who.devices.push({ account, epoch, factors, method, provenAt: now, days: rememberDays })
  }
}

function passed(response: BrowserResponse, page: string): boolean {
  if (response.page === 'error') return response.error === 'no-address'
  return response.page !== page || response.error === undefined
}

function postpone({ world }: Walk, { who, request }: Tab, response: BrowserResponse): void {
  const account = request.account ?? who.session?.account
  if (account === undefined || response.page === 'bind-later') return
  const { rule } = askedOf(world, { ...request, account, address: who.address })
  const before = account.postponements.get(rule)
  const so = { firstAt: before?.firstAt ?? world.now(), count: (before?.count ?? 0) + 1 }
  account.postponements.set(rule, so)
  request.account ??= account
  request.postponed = { rule, firstAt: so.firstAt }
}

/** Whether a factor was added, by what the store holds. */
async function learnBindings(walk: Walk, account: WalkAccount, code: NonNullable<Intent['code']>): Promise<boolean> {
  const bindings = await walk.world.gateway.installation.bindings.list(account.id)
  const apps = bindings.filter(({ type }) => type === 'totp').length
  const mailBound = bindings.some(({ type }) => type === 'email')
  const added = apps > account.apps.length || (mailBound && !account.mailBound)
  if (apps > account.apps.length && code.binds !== undefined) {
    account.apps.push({ secret: code.binds, lastStep: code.step ?? 0 })
  }
  account.mailBound = mailBound
  return added
}

type Typed = NonNullable<Intent['code']> & { text: string }

/** The code that is right for this page now; the time may have to go on for it. */
export async function rightCode(walk: Walk, tab: Tab, page: BrowserResponse): Promise<Typed> {
  const { world } = walk
  const request = requestFor(walk, tab, page)
  const account = request.account ?? tab.who.session?.account
  if (page.page === 'verify-email') {
    const sent = account && request.codes.get(`${uidOf(page)} ${account.id}`)
    const right = sent !== undefined && world.now() < sent.at + CODE_TTL
    return { method: 'email', account, right, text: sent?.code ?? '000000' }
  }
  const binds = page.page === 'bind-totp' ? page.text('[data-secret]') : undefined
  const app = account?.apps[0]
  const secret = binds ?? app?.secret
  if (secret === undefined) return { method: 'totp', account, right: false, text: '000000' }
  if (binds === undefined && app !== undefined && stepAt(world.now()) <= app.lastStep) {
    await world.advance((app.lastStep + 1) * STEP - world.now())
  }
  const step = stepAt(world.now())
  if (binds === undefined && app !== undefined) app.lastStep = step
  return {
    method: 'totp',
    account,
    right: true,
    text: codeAt(secret, world.now()),
    ...(binds !== undefined && { binds, step }),
  }
}

const stepAt = (time: number): number => Math.floor(time / STEP)

interface TokenAnswer {
  status: number
  body: { error?: string; id_token?: string; refresh_token?: string; access_token?: string }
}

async function token(walk: Walk, issue: Issue, fields: Record<string, string>): Promise<TokenAnswer> {
  const { world } = walk
  const { status, body } = await exchange({
    method: 'POST',
    url: `${world.gateway.issuer}/token`,
    headers: {
      authorization: `Basic ${Buffer.from(`${issue.client.id}:${world.secret}`).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
      'x-forwarded-for': '203.0.113.9',
    },
    body: new URLSearchParams(fields).toString(),
  })
  const answer = JSON.parse(body.toString()) as TokenAnswer['body']
  tell(walk, `    ${status} ${answer.error ?? ''}`)
  if (world.errors.length > 0) throw new Broken(`the log says: ${world.errors.splice(0).join('\n')}`)
  if (status !== 200 && status !== 400) throw new Broken(`the token endpoint answers ${status} ${answer.error}`)
  return { status, body: answer }
}

const CODE_LIFE = 60 * SECOND + 16 * SECOND

/** Redeems a code; what comes must be what was proved. */
export async function redeem(walk: Walk, issue: Issue): Promise<void> {
  const { world } = walk
  const again = issue.redeemed
  // A second use ends everything that this session gave this relying party.
  const grant = walk.issues.filter(({ session, client }) => session === issue.session && client === issue.client)
  if (again) for (const each of grant) each.mayBeOver = true
  issue.redeemed = true
  const { status, body } = await token(walk, issue, {
    grant_type: 'authorization_code',
    code: issue.code,
    redirect_uri: CALLBACK,
  })
  // The gateway knows a used code for as long as a fresh one lives.
  if (again && world.now() < issue.at + MINUTE) issue.refreshOver = true
  if (status !== 200) {
    const young = world.now() < issue.at + 50 * SECOND
    if (!again && young && !issue.mayBeOver && alive(issue.session, world.now()))
      throw new Broken(`a good code is refused: ${body.error}`)
    return
  }
  if (again) throw new Broken('one code, two tokens')
  if (world.now() > issue.at + CODE_LIFE) throw new Broken('a token for a code that is over')
  if (issue.account.disabled || issue.account.sessions !== issue.epoch)
    throw new Broken('a token for an account that has changed')
  const claims = claimsOf(body.id_token)
  const wrong = wrongClaims(issue, { claims, live: liveOf(issue.asked, standingOf(walk, issue)) })
  if (wrong !== undefined)
    throw new Broken(`the ID token of ${issue.account.username} for ${issue.client.id}: ${wrong}`)
  if (claims.nonce !== issue.request.params.nonce) throw new Broken('the nonce of another request')
  issue.claims = claims
  count(world, `tokens with ${claims.acr}`)
  if (body.id_token !== undefined) issue.idToken = body.id_token
  if (body.refresh_token !== undefined) issue.refreshToken = body.refresh_token
}

/** Refreshes; the account, its groups and the policy are asked again (OA-11). */
export async function refresh(walk: Walk, issue: Issue): Promise<void> {
  const { world } = walk
  const { account, client, who, session, refreshToken, claims: first } = issue
  if (refreshToken === undefined || first === undefined) return
  const { status, body } = await token(walk, issue, { grant_type: 'refresh_token', refresh_token: refreshToken })
  if (status !== 200) {
    issue.refreshOver = true
    count(world, 'refreshes refused')
    return
  }
  count(world, 'refreshes')
  const now = world.now()
  if (issue.refreshOver) throw new Broken('a refresh token that is over gives tokens')
  const offline = issue.request.params.scope?.includes('offline_access') === true
  const asIfNow = { ...session, usedAt: now, ...(offline && { startedAt: now, ended: false }) }
  if (!alive(asIfNow, now)) throw new Broken('a refresh token outlives its session')
  const asked = askedOf(world, { account, client: { ...client, defaultAcr: [] }, address: who.address, params: {} })
  const standing = { proofs: session.proofs, devices: [...who.devices, ...who.lost], session, asOf: now, now }
  const objected = objection(asked, standing, world)
  if (objected !== undefined) throw new Broken(`a refresh for ${account.username} at ${client.id}: ${objected}`)
  const claims = claimsOf(body.id_token)
  for (const name of ['sub', 'acr', 'auth_time'] as const) {
    if (claims[name] !== first[name])
      throw new Broken(`${name} was ${first[name]}, and is ${claims[name]} after a refresh`)
  }
  if (`${claims.amr}` !== `${first.amr}`) throw new Broken(`amr was ${first.amr}, and is ${claims.amr} after a refresh`)
  if (body.refresh_token !== undefined) issue.refreshToken = body.refresh_token
}

function claimsOf(token: string | undefined): Claims {
  return JSON.parse(Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString()) as Claims
}
