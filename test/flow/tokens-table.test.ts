import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Parameters as RequestParameters } from '../harness/relying-party.ts'
import {
  answerIn,
  askFor,
  type Browser,
  type Member,
  newMember,
  onStores,
  type PartyOptions,
  seen,
  signInAt,
  type TestSite,
} from './protocol-site.ts'

// Every way to sign in that there is today × every kind of request. What has to come out is worked
// out by `outcome` below, from the tables of this file alone.

type Level = 'pwd' | '2sv' | 'mfa'
type Factor = 'email' | 'totp'

const RANK: Record<Level, number> = { pwd: 0, '2sv': 1, mfa: 2 }
const ACR: Record<Level, string> = {
  pwd: 'urn:stepgate:acr:pwd',
  '2sv': 'urn:stepgate:acr:2sv',
  mfa: 'urn:stepgate:acr:mfa',
}
const UNKNOWN = 'urn:nobody:knows'

interface Installation {
  config: Record<string, unknown>
  /** Whether policy asks for a second factor that no request asked for. */
  asks: boolean
  app: 'bound' | 'bindable' | 'none'
  /** What a password and a mailed code are worth. */
  mailed: Level
  /** By the second factors that were used. */
  amr: Record<string, string[]>
}

const AMR = {
  '': ['pwd'],
  email: ['pwd', 'otp', 'mca', 'mfa'],
  totp: ['pwd', 'otp', 'mfa'],
  'email totp': ['pwd', 'otp', 'mca', 'mfa'],
}
const METHODS = ['email', 'totp']
const OPT_OUT = { understood: true, disableMfa: true }
const strictly = (assurance: string) => ({ mfa: { enabled: true, methods: ['email'], email: { assurance } } })

const INSTALLATIONS: Record<string, Installation> = {
  'no second factor is required': {
    config: { mfa: { enabled: false, optOut: OPT_OUT, methods: METHODS } },
    asks: false,
    // Whoever bound an app is asked for it there too.
    app: 'bindable',
    mailed: '2sv',
    amr: AMR,
  },
  'a second factor is required': {
    config: { mfa: { enabled: true, methods: METHODS } },
    asks: true,
    app: 'bound',
    mailed: '2sv',
    amr: AMR,
  },
  'a mailed code is worth mfa': { config: strictly('mfa'), asks: true, app: 'none', mailed: 'mfa', amr: AMR },
  'a mailed code, strictly': {
    config: strictly('strict'),
    asks: true,
    app: 'none',
    mailed: '2sv',
    amr: { '': ['pwd'], email: ['pwd', 'mca'] },
  },
}

interface SignInRow {
  at: keyof typeof INSTALLATIONS
  /** Second factors of the session there is; absent: there is none, and the request is the sign-in. */
  session?: Factor[]
  device?: 'remembered'
  /** What is used where a page leaves the choice. */
  by: Factor
}

const [OFF, ON, RAISED, STRICT] = Object.keys(INSTALLATIONS) as [string, string, string, string]

const SIGN_INS: Record<string, SignInRow> = {
  'a password, or with a mailed code': { at: OFF, by: 'email' },
  'session of a password, then a mailed code': { at: OFF, session: [], by: 'email' },
  'session of a password, stepped up by mail': { at: OFF, session: ['email'], by: 'email' },
  'password and mailed code': { at: ON, by: 'email' },
  'password and app': { at: ON, by: 'totp' },
  'session of password and mailed code': { at: ON, session: ['email'], by: 'email' },
  'session of password and app': { at: ON, session: ['totp'], by: 'totp' },
  'session of password and mailed code, stepped up by the app': { at: ON, session: ['email', 'totp'], by: 'totp' },
  'a remembered device': { at: ON, device: 'remembered', by: 'totp' },
  'session of a remembered device': { at: ON, session: [], device: 'remembered', by: 'totp' },
  'password and mailed code worth mfa': { at: RAISED, by: 'email' },
  'session of password and mailed code worth mfa': { at: RAISED, session: ['email'], by: 'email' },
  'password and mailed code, strictly': { at: STRICT, by: 'email' },
  'session of password and mailed code, strictly': { at: STRICT, session: ['email'], by: 'email' },
}

interface RequestRow {
  parameters?: RequestParameters
  party?: 'needs2sv' | 'needsMfa' | 'prefersMfa'
  /** Levels of which one is asked for, the most wanted first. */
  wants?: Level[]
  /** What the client requires, whatever the request says. */
  floor?: Level
  /** `unknown`: only values that nobody knows, and essential. */
  essential?: 'unknown'
  /** Old proofs count nothing. */
  anew?: 'login' | 'max_age'
  silent?: true
}

const acr = (...values: string[]) => ({ acr_values: values.join(' ') })
const claim = (request: object) => ({ claims: JSON.stringify({ id_token: { acr: request } }) })
const voluntary = (...values: string[]) => claim({ values })
const essential = (...values: string[]) => claim({ essential: true, values })
const NONE = { prompt: 'none' }

const REQUESTS: Record<string, RequestRow> = {
  'nothing asked for': {},
  'acr_values pwd': { parameters: acr(ACR.pwd), wants: ['pwd'] },
  'acr_values 2sv': { parameters: acr(ACR['2sv']), wants: ['2sv'] },
  'acr_values mfa': { parameters: acr(ACR.mfa), wants: ['mfa'] },
  'acr_values mfa 2sv': { parameters: acr(ACR.mfa, ACR['2sv']), wants: ['mfa', '2sv'] },
  'acr_values 2sv pwd': { parameters: acr(ACR['2sv'], ACR.pwd), wants: ['2sv', 'pwd'] },
  'acr_values unknown': { parameters: acr(UNKNOWN) },
  'acr_values unknown mfa': { parameters: acr(UNKNOWN, ACR.mfa), wants: ['mfa'] },
  'voluntary pwd': { parameters: voluntary(ACR.pwd), wants: ['pwd'] },
  'voluntary mfa': { parameters: voluntary(ACR.mfa), wants: ['mfa'] },
  'voluntary unknown': { parameters: voluntary(UNKNOWN) },
  'essential pwd': { parameters: essential(ACR.pwd), wants: ['pwd'] },
  'essential 2sv': { parameters: essential(ACR['2sv']), wants: ['2sv'] },
  'essential mfa': { parameters: essential(ACR.mfa), wants: ['mfa'] },
  'essential value mfa': { parameters: claim({ essential: true, value: ACR.mfa }), wants: ['mfa'] },
  'essential mfa or 2sv': { parameters: essential(ACR.mfa, ACR['2sv']), wants: ['mfa', '2sv'] },
  'essential unknown': { parameters: essential(UNKNOWN), essential: 'unknown' },
  'essential mfa beside acr_values pwd': { parameters: { ...essential(ACR.mfa), ...acr(ACR.pwd) }, wants: ['mfa'] },
  'default_acr_values mfa': { party: 'prefersMfa', wants: ['mfa'] },
  'default_acr_values mfa, acr_values pwd': { party: 'prefersMfa', parameters: acr(ACR.pwd), wants: ['pwd'] },
  'client requires 2sv': { party: 'needs2sv', floor: '2sv' },
  'client requires mfa': { party: 'needsMfa', floor: 'mfa' },
  'client requires mfa, acr_values pwd': {
    party: 'needsMfa',
    parameters: acr(ACR.pwd),
    wants: ['pwd'],
    floor: 'mfa',
  },
  'max_age, fresh': { parameters: { max_age: '3600' } },
  'max_age, exceeded': { parameters: { max_age: '60' }, anew: 'max_age' },
  'prompt=login': { parameters: { prompt: 'login' }, anew: 'login' },
  'prompt=login and mfa': { parameters: { prompt: 'login', ...acr(ACR.mfa) }, wants: ['mfa'], anew: 'login' },
  'prompt=none': { parameters: NONE, silent: true },
  'prompt=none and mfa': { parameters: { ...NONE, ...acr(ACR.mfa) }, wants: ['mfa'], silent: true },
  'prompt=none, max_age exceeded': { parameters: { ...NONE, max_age: '60' }, anew: 'max_age', silent: true },
}

interface Outcome {
  pages: string[]
  /** The factor that answers the pages. */
  by: Factor
  error?: string
  acr?: Level
  amr?: string[]
  /** Whose password `auth_time` tells. */
  password?: 'of this request' | 'of the session'
}

const refusal = (pages: string[], by: Factor, error: string): Outcome => ({ pages, by, error })

function outcome(row: SignInRow, request: RequestRow): Outcome {
  const { wants = [], floor = 'pwd', silent } = request
  const signsIn = row.session === undefined || request.anew !== undefined
  const pages = signsIn ? ['login'] : []
  const used = signsIn ? [] : [...(row.session ?? [])]
  if (silent && signsIn) return refusal([], row.by, 'login_required')
  if (request.essential === 'unknown') {
    // Who it is comes first, as policy wants it; a session that is there is told at once.
    const shown = policyAsks(row, request, used) ? pagesOf(row, row.by, offers(row, {})) : []
    return refusal([...pages, ...shown], row.by, 'unmet_authentication_requirements')
  }
  let { by } = row
  if (asksFactor(row, request, used)) {
    if (silent) return refusal([], by, 'interaction_required')
    const offered = offers(row, request)
    if (offered.length === 0) return refusal(pages, by, 'unmet_authentication_requirements')
    by = offered.includes(by) ? by : 'totp'
    const shown = pagesOf(row, by, offered)
    pages.push(...shown)
    used.push(...factorsOf(shown))
  }
  return {
    pages,
    by,
    acr: wants.find((level) => reaches(row, used, level) && RANK[level] >= RANK[floor]) ?? worth(row, used),
    amr: installation(row).amr[[...new Set(used)].sort().join(' ')] ?? [],
    password: signsIn ? 'of this request' : 'of the session',
  }
}

function pagesOf(row: SignInRow, by: Factor, offered: readonly Factor[]): string[] {
  const { app } = installation(row)
  // An app is bound by somebody who proved the mailbox first (B3).
  if (by === 'totp') return app === 'bound' ? ['verify-totp'] : ['verify-email', 'bind-totp']
  if (!offered.includes('totp') || mailKnown(row)) return ['verify-email']
  return app === 'bound' ? ['verify-totp', 'choose', 'verify-email'] : ['choose', 'verify-email']
}

function factorsOf(pages: readonly string[]): Factor[] {
  if (pages.includes('bind-totp')) return ['email', 'totp']
  return pages.includes('verify-email') ? ['email'] : ['totp']
}

function installation({ at }: SignInRow): Installation {
  const found = INSTALLATIONS[at]
  assert.ok(found, at)
  return found
}

function worth(row: SignInRow, used: readonly Factor[]): Level {
  if (used.includes('totp')) return 'mfa'
  return used.includes('email') ? installation(row).mailed : 'pwd'
}

function reaches(row: SignInRow, used: readonly Factor[], level: Level): boolean {
  return RANK[worth(row, used)] >= RANK[level]
}

function satisfies(row: SignInRow, { wants = [], floor = 'pwd' }: RequestRow, used: readonly Factor[]): boolean {
  return reaches(row, used, floor) && (wants.length === 0 || wants.some((level) => reaches(row, used, level)))
}

function asksFactor(row: SignInRow, request: RequestRow, used: readonly Factor[]): boolean {
  return policyAsks(row, request, used) || !satisfies(row, request, used)
}

/**
 * A remembered device answers to policy alone: never to a level that is asked for, nor where everything is asked anew
 * (E5).
 */
function policyAsks(row: SignInRow, { anew }: RequestRow, used: readonly Factor[]): boolean {
  // Without a session there is nothing whose age could be exceeded.
  const exceeded = anew === 'max_age' && row.session !== undefined
  const vouched = row.device === 'remembered' && anew !== 'login' && !exceeded
  return (installation(row).asks || mailKnown(row)) && used.length === 0 && !vouched
}

/** Whoever used a mailed code has it as a factor from then on. */
function mailKnown({ session = [] }: SignInRow): boolean {
  return session.includes('email')
}

function offers(row: SignInRow, request: RequestRow): Factor[] {
  const usable: Factor[] = installation(row).app === 'none' ? ['email'] : ['totp', 'email']
  return usable.filter((factor) => satisfies(row, request, [factor]))
}

/** Less than what the session of any row lives, more than any test takes. */
const BEHIND = 400_000
const REQUEST_BEHIND = 150_000
/** Every proof has a time of its own; a code that is typed so late is still good. */
const APART = 25_000

interface Someone {
  member: Member
  browser: Browser
  /** Seconds at which passwords were typed, oldest first. */
  passwords: number[]
}

onStores('embedded', 'how somebody signed in × what is asked', (testSite) => {
  for (const [at, { config, app, mailed }] of Object.entries(INSTALLATIONS)) {
    const reachable: Level = app === 'none' ? mailed : 'mfa'
    describe(at, () => {
      const parties: Record<string, PartyOptions> = {
        app: { clockTolerance: 600 },
        needs2sv: { clockTolerance: 600, metadata: { require: '2sv' } },
        ...(reachable === 'mfa' && {
          needsMfa: { clockTolerance: 600, metadata: { require: 'mfa' } },
          prefersMfa: { clockTolerance: 600, metadata: { default_acr_values: [ACR.mfa] } },
        }),
      }
      const site = testSite({ mail: 'on', config, parties })
      for (const [name, row] of Object.entries(SIGN_INS).filter(([, each]) => each.at === at)) {
        rowOf(site, name, row, Object.keys(parties))
      }
    })
  }
})

function rowOf(site: TestSite, name: string, row: SignInRow, parties: readonly string[]): void {
  let shared: Someone | undefined
  /** Requests that ask nothing leave the session as it is, so they can share one. */
  const someone = async (expected: Outcome): Promise<Someone> => {
    if (row.session === undefined || expected.pages.length > 0) return begin(site, row)
    shared ??= await begin(site, row)
    return { ...shared, browser: await shared.browser.copy() }
  }
  describe(name, () => {
    for (const [asked, request] of Object.entries(REQUESTS)) {
      if (request.party !== undefined && !parties.includes(request.party)) continue
      const expected = outcome(row, request)
      const { pages, error, acr: level, amr = [] } = expected
      test(`${asked}: ${[...pages, error ?? `${level}, ${amr.join(' ')}`].join(' → ')}`, async () => {
        await check(site, request, expected, await someone(expected))
      })
    }
  })
}

function standBehind({ gateway: { clock } }: TestSite, milliseconds: number): void {
  clock.advance(Date.now() - milliseconds - clock.now())
}

/** Types everything a while after the page came. */
function slowly(site: TestSite, browser: Browser, passwords: number[]): Browser {
  return {
    ...browser,
    submit(page, ...given) {
      site.gateway.clock.advance(APART)
      if (page.page === 'login') passwords.push(Math.floor(site.gateway.clock.now() / 1000))
      return browser.submit(page, ...given)
    },
  }
}

async function begin(site: TestSite, row: SignInRow): Promise<Someone> {
  standBehind(site, BEHIND)
  const { app, asks } = installation(row)
  const member = await newMember(site, { app: app === 'bound' ? 'bound' : 'none' })
  const browser = site.browser()
  const passwords: number[] = []
  const slow = slowly(site, browser, passwords)
  if (row.device === 'remembered') {
    await signInAt(site, slow, member, { by: 'totp', remember: 'on' })
    await browser.clear('stepgate-session', 'stepgate-session.sig')
  }
  if (row.session === undefined) return { member, browser, passwords }
  const [first, second] = asks ? row.session : [undefined, ...row.session]
  await signInAt(site, slow, member, first === undefined ? {} : { by: first })
  if (second !== undefined) {
    const level = second === 'totp' ? 'mfa' : '2sv'
    await signInAt(site, slow, member, { by: second, parameters: acr(ACR[level]) })
  }
  return { member, browser, passwords }
}

async function check(site: TestSite, request: RequestRow, expected: Outcome, given: Someone): Promise<void> {
  standBehind(site, REQUEST_BEHIND)
  const typed: number[] = []
  const { party, parameters } = request
  const { pages, end } = await askFor(site, slowly(site, given.browser, typed), given.member, {
    by: expected.by,
    ...(party !== undefined && { party }),
    ...(parameters !== undefined && { parameters }),
  })
  assert.deepEqual(pages, expected.pages, seen(end))
  const answer = answerIn(end)
  assert.equal(answer.iss, site.gateway.issuer)
  if (expected.acr === undefined) return assert.deepEqual([answer.error, answer.code], [expected.error, undefined])
  assert.ok(answer.code !== undefined, seen(end))
  const rp = site.party(party)
  const { claims, tokens } = await rp.callback(`${end.location}`)
  assert.deepEqual([claims.acr, claims.amr], [ACR[expected.acr], expected.amr])
  const password = (expected.password === 'of this request' ? typed : given.passwords).at(-1)
  const late = Number(claims.auth_time) - Number(password)
  assert.ok(late >= 0 && late <= 5, `auth_time ${claims.auth_time}, password typed at ${password}`)
  const told = await rp.introspect(tokens.access_token)
  assert.deepEqual([told.acr, told.amr, told.auth_time], [claims.acr, claims.amr, claims.auth_time])
  const refreshed = (await rp.refresh(`${tokens.refresh_token}`)).claims
  assert.deepEqual([refreshed.acr, refreshed.amr, refreshed.auth_time], [claims.acr, claims.amr, claims.auth_time])
}
