import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Parameters as RequestParameters } from '../harness/relying-party.ts'
import {
  answerIn,
  askFor,
  type Browser,
  type Member,
  newMember,
  onBothStores,
  seen,
  signInAt,
  type TestSite,
  type TestSiteOptions,
} from './protocol-site.ts'

// How somebody signed in × what a request asks → what the token says.

const ACR = { pwd: 'urn:stepgate:acr:pwd', '2sv': 'urn:stepgate:acr:2sv', mfa: 'urn:stepgate:acr:mfa' } as const
type Level = keyof typeof ACR

const AMR = { pwd: ['pwd'], email: ['pwd', 'otp', 'mca', 'mfa'], totp: ['pwd', 'otp', 'mfa'] }
const BOTH = ['pwd', 'otp', 'mca', 'mfa']
const essential = (...values: string[]) => ({
  claims: JSON.stringify({ id_token: { acr: { essential: true, values } } }),
})
const voluntary = (...values: string[]) => ({ claims: JSON.stringify({ id_token: { acr: { values } } }) })
const acrValues = (...values: string[]) => ({ acr_values: values.join(' ') })

interface Row {
  /** How the session came about; absent: the request itself is the sign-in. */
  session?: 'password' | 'email' | 'totp' | 'recovery' | 'remembered'
  /** What answers pages of the request. */
  by?: 'totp' | 'email' | 'recovery'
  party?: string
  parameters?: RequestParameters
  /** The pages of the request. */
  pages: string[]
  acr?: Level
  amr?: string[]
  /** `auth_time` is of the request's own password, not of the session's. */
  fresh?: true
  error?: string
}

const TABLES: {
  title: string
  options: TestSiteOptions
  member?: { app?: 'none'; codes?: 'some' }
  rows: Record<string, Row>
}[] = [
  {
    title: 'no second factor is required',
    options: {
      config: { mfa: { enabled: false, optOut: { understood: true, disableMfa: true }, methods: ['email', 'totp'] } },
    },
    member: { app: 'none' },
    rows: {
      'a password': { pages: ['login'], acr: 'pwd', amr: AMR.pwd },
      'a password, then nothing (SSO)': {
        session: 'password',
        pages: [],
        acr: 'pwd',
        amr: AMR.pwd,
      },
      'a password, asked for pwd by name': {
        parameters: acrValues(ACR.pwd),
        pages: ['login'],
        acr: 'pwd',
        amr: AMR.pwd,
      },
      'a password, then 2sv is asked for: the mailbox is enough': {
        session: 'password',
        by: 'email',
        parameters: acrValues(ACR['2sv']),
        pages: ['choose', 'verify-email'],
        acr: '2sv',
        amr: AMR.email,
      },
      'a password, then mfa is asked for: an app is bound, after the mailbox (B3)': {
        session: 'password',
        by: 'totp',
        parameters: acrValues(ACR.mfa),
        pages: ['verify-email', 'bind-totp'],
        acr: 'mfa',
        amr: BOTH,
      },
    },
  },
  {
    title: 'a mailed code is worth 2sv',
    options: { config: { mfa: { enabled: true, methods: ['email', 'totp'] } } },
    rows: {
      'password and mailed code': {
        by: 'email',
        pages: ['login', 'verify-totp', 'choose', 'verify-email'],
        acr: '2sv',
        amr: AMR.email,
      },
      'password and app': {
        by: 'totp',
        pages: ['login', 'verify-totp'],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'mailed code, then nothing (SSO)': {
        session: 'email',
        pages: [],
        acr: '2sv',
        amr: AMR.email,
      },
      'app, then nothing (SSO)': { session: 'totp', pages: [], acr: 'mfa', amr: AMR.totp },
      'a remembered device, and nothing asked for': {
        session: 'remembered',
        pages: [],
        acr: 'pwd',
        amr: AMR.pwd,
      },
      'a remembered device, then 2sv is asked for': {
        session: 'remembered',
        parameters: acrValues(ACR['2sv']),
        pages: ['verify-totp'],
        // The one asked for, although the app reaches further.
        acr: '2sv',
        amr: AMR.totp,
      },
      'a remembered device, then mfa is essential': {
        session: 'remembered',
        parameters: essential(ACR.mfa),
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'a remembered device, then a client that requires mfa': {
        session: 'remembered',
        party: 'strict',
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'mailed code, then mfa by acr_values': {
        session: 'email',
        by: 'totp',
        parameters: acrValues(ACR.mfa),
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: BOTH,
      },
      'mailed code, then mfa essential': {
        session: 'email',
        by: 'totp',
        parameters: essential(ACR.mfa),
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: BOTH,
      },
      'mailed code, then mfa as a voluntary claim': {
        session: 'email',
        by: 'totp',
        parameters: voluntary(ACR.mfa),
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: BOTH,
      },
      'mailed code, then a client that requires mfa': {
        session: 'email',
        by: 'totp',
        party: 'strict',
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: BOTH,
      },
      'mailed code, then a client with default_acr_values mfa': {
        session: 'email',
        by: 'totp',
        party: 'defaults',
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: BOTH,
      },
      'mailed code, then an essential 2sv beside acr_values pwd: the essential one decides (CVE-2026-97176)': {
        session: 'email',
        parameters: { ...essential(ACR['2sv']), ...acrValues(ACR.pwd) },
        pages: [],
        acr: '2sv',
        amr: AMR.email,
      },
      'mailed code, then an essential mfa beside acr_values 2sv: the essential one decides (CVE-2026-97176)': {
        session: 'email',
        by: 'totp',
        parameters: { ...essential(ACR.mfa), ...acrValues(ACR['2sv']) },
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: BOTH,
      },
      'app, then pwd is asked for: the value asked for, and what was proved': {
        session: 'totp',
        parameters: acrValues(ACR.pwd),
        pages: [],
        acr: 'pwd',
        amr: AMR.totp,
      },
      'app, then mfa or pwd: the first that is met': {
        session: 'totp',
        parameters: acrValues(ACR.mfa, ACR.pwd),
        pages: [],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'mailed code, then mfa or 2sv: one of them is met, so nothing is asked (OA-8)': {
        session: 'email',
        parameters: acrValues(ACR.mfa, ACR['2sv']),
        pages: [],
        acr: '2sv',
        amr: AMR.email,
      },
      'unknown acr_values alone are ignored (OA-8)': {
        session: 'email',
        parameters: acrValues('urn:nobody:knows', 'x'),
        pages: [],
        acr: '2sv',
        amr: AMR.email,
      },
      'an unknown value beside a known one is skipped (OA-8)': {
        session: 'email',
        by: 'totp',
        parameters: acrValues('urn:nobody:knows', ACR.mfa),
        pages: ['verify-totp'],
        acr: 'mfa',
        amr: BOTH,
      },
      'only unknown values, as a voluntary claim, are ignored (OA-8)': {
        session: 'totp',
        parameters: voluntary('urn:nobody:knows'),
        pages: [],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'only unknown values, essential, are the error (OA-8)': {
        session: 'totp',
        parameters: essential('urn:nobody:knows'),
        pages: [],
        error: 'unmet_authentication_requirements',
      },
      'a level that nobody here can reach is the error, not a loop (X2)': {
        session: 'totp',
        parameters: essential('phr'),
        pages: [],
        error: 'unmet_authentication_requirements',
      },
      'the same by acr_values': {
        session: 'totp',
        parameters: acrValues('phrh'),
        pages: [],
        error: 'unmet_authentication_requirements',
      },
      'phr or mfa: mfa is met': {
        session: 'totp',
        parameters: acrValues('phr', ACR.mfa),
        pages: [],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'prompt=none without a session': { parameters: { prompt: 'none' }, pages: [], error: 'login_required' },
      'prompt=none with a session that is enough': {
        session: 'totp',
        parameters: { prompt: 'none', ...acrValues(ACR.mfa) },
        pages: [],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'prompt=none with a session below the level (F3)': {
        session: 'email',
        parameters: { prompt: 'none', ...acrValues(ACR.mfa) },
        pages: [],
        error: 'interaction_required',
      },
      'prompt=none and an essential level that is not met': {
        session: 'email',
        parameters: { prompt: 'none', ...essential(ACR.mfa) },
        pages: [],
        error: 'interaction_required',
      },
      'prompt=none at a client that requires more': {
        session: 'email',
        party: 'strict',
        parameters: { prompt: 'none' },
        pages: [],
        error: 'interaction_required',
      },
      'prompt=login asks for everything again (F3)': {
        session: 'totp',
        by: 'totp',
        parameters: { prompt: 'login' },
        pages: ['login', 'verify-totp'],
        acr: 'mfa',
        amr: AMR.totp,
        fresh: true,
      },
      'prompt=login asks for the factor on a remembered device too (E5)': {
        session: 'remembered',
        by: 'totp',
        parameters: { prompt: 'login' },
        pages: ['login', 'verify-totp'],
        acr: 'mfa',
        amr: AMR.totp,
        fresh: true,
      },
    },
  },
  {
    title: 'a recovery code is worth what the app is, and no more',
    options: { config: { mfa: { enabled: true, methods: ['email', 'totp'] } } },
    member: { codes: 'some' },
    rows: {
      'password and recovery code': {
        by: 'recovery',
        pages: ['login', 'verify-totp', 'choose', 'verify-recovery'],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'recovery code, then nothing (SSO)': { session: 'recovery', pages: [], acr: 'mfa', amr: AMR.totp },
      'recovery code, then mfa is essential': {
        session: 'recovery',
        parameters: essential(ACR.mfa),
        pages: [],
        acr: 'mfa',
        amr: AMR.totp,
      },
      'mailed code, then mfa by recovery code': {
        session: 'email',
        by: 'recovery',
        parameters: acrValues(ACR.mfa),
        pages: ['verify-totp', 'choose', 'verify-recovery'],
        acr: 'mfa',
        amr: BOTH,
      },
      'recovery code, then phr: it cannot be reached': {
        session: 'recovery',
        parameters: acrValues('phr'),
        pages: [],
        error: 'unmet_authentication_requirements',
      },
    },
  },
  {
    title: 'a mailed code is worth mfa, where the admin says so',
    options: { config: { mfa: { enabled: true, methods: ['email'], email: { assurance: 'mfa' } } } },
    member: { app: 'none' },
    rows: {
      'password and mailed code': {
        pages: ['login', 'verify-email'],
        acr: 'mfa',
        amr: AMR.email,
      },
      'and so it is after that (SSO)': {
        session: 'email',
        parameters: acrValues(ACR.mfa),
        pages: [],
        acr: 'mfa',
        amr: AMR.email,
      },
    },
  },
  {
    title: 'a mailed code, strictly',
    options: {
      parties: { app: {} },
      config: { mfa: { enabled: true, methods: ['email'], email: { assurance: 'strict' } } },
    },
    member: { app: 'none' },
    rows: {
      'password and mailed code: 2sv, and no word of mfa': {
        pages: ['login', 'verify-email'],
        acr: '2sv',
        amr: ['pwd', 'mca'],
      },
      'mfa cannot be reached': {
        session: 'email',
        parameters: acrValues(ACR.mfa),
        pages: [],
        error: 'unmet_authentication_requirements',
      },
    },
  },
]

/** Every proof has a time of its own; a code that is typed so late is still good. */
const APART = 25_000
/** Less than what the binding of an app lets a password be old (FB-1), more than any row takes. */
const BEHIND = 290_000

onBothStores('what tokens say of a sign-in', (testSite) => {
  for (const { title, options, member: given = {}, rows } of TABLES) {
    describe(title, () => {
      const site = testSite({
        mail: 'on',
        parties: {
          app: {},
          strict: { metadata: { require: 'mfa' } },
          defaults: { metadata: { default_acr_values: [ACR.mfa] } },
        },
        ...options,
      })
      for (const [name, row] of Object.entries(rows)) {
        test(name, async () => {
          const { clock } = site.gateway
          clock.advance(Date.now() - BEHIND - clock.now())
          await check(site, row, await newMember(site, given))
        })
      }
    })
  }
})

async function check(site: TestSite, row: Row, member: Member): Promise<void> {
  const browser = site.browser()
  const passwords: number[] = []
  const apart: Browser = {
    ...browser,
    submit(page, ...given) {
      site.gateway.clock.advance(APART)
      if (page.page === 'login') passwords.push(site.gateway.clock.now() / 1000)
      return browser.submit(page, ...given)
    },
  }
  await begin(site, apart, { member, session: row.session })
  const ofSession = passwords.at(-1)
  const { pages, end } = await askFor(site, apart, member, row)
  assert.deepEqual(pages, row.pages, seen(end))
  if (row.acr === undefined) {
    assert.deepEqual([answerIn(end).error, answerIn(end).code], [row.error, undefined])
    assert.equal(answerIn(end).iss, site.gateway.issuer)
    return
  }
  assert.match(`${end.location}`, /[?&]code=/, seen(end))
  const rp = site.party(row.party)
  const { claims, tokens } = await rp.callback(`${end.location}`)
  assert.deepEqual([claims.acr, claims.amr], [ACR[row.acr], row.amr])
  const proved = (row.fresh === true ? undefined : ofSession) ?? passwords.at(-1)
  // It was noted a moment before the gateway looked at its clock.
  const late = Number(claims.auth_time) - Math.floor(Number(proved))
  assert.ok(late >= 0 && late <= 5, `${claims.auth_time}; passwords at ${passwords.join()}`)
  const told = await rp.introspect(tokens.access_token)
  assert.deepEqual([told.acr, told.amr, told.auth_time], [claims.acr, claims.amr, claims.auth_time])
}

interface Beginning {
  member: Member
  session: Row['session']
}

async function begin(site: TestSite, browser: Browser, { member, session }: Beginning): Promise<void> {
  if (session === undefined) return
  if (session === 'password') return void (await signInAt(site, browser, member))
  const remembered = session === 'remembered'
  await signInAt(site, browser, member, {
    by: session === 'remembered' ? 'totp' : session,
    ...(remembered && { remember: 'on' }),
  })
  if (!remembered) return
  await browser.clear('stepgate-session', 'stepgate-session.sig')
  const { pages, claims } = await signInAt(site, browser, member)
  assert.deepEqual([pages, claims.acr], [['login'], ACR.pwd])
}
