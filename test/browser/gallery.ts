import { randomBytes } from 'node:crypto'
import type { BrowserContext, Page } from 'playwright-core'
import type { Hasher } from '../../src/accounts/passwords.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { type Chromium, startChromium } from '../harness/browser.ts'
import { type Person, type RunningGateway, startGateway, testHasher } from '../harness/gateway.ts'
import { freePort } from '../harness/services.ts'
import { createTestSite } from '../harness/site.ts'
import type { SmtpService } from '../harness/smtp.ts'
import { type Stores, startStores } from '../harness/stores.ts'
import { lookAs } from './look.ts'

export type Language = 'en' | 'sv'

/** What a person can be asked for, by group: policy rules of the gallery's gateway. */
export type Group = 'apps' | 'mails' | 'later'

/** The same people every time, so that pictures stay as they are. */
export const NAMES = { anna: 'anna.berg', bo: 'bo.lind' } as const

/** Passwords at which the gateway's hasher breaks. */
export const BROKEN = { unavailable: 'a password while it is busy', internal: 'a password while it is broken' } as const

/**
 * A gateway of its own with a mail server and a browser, for looking at its pages. During a visit its clock stands
 * still.
 */
export interface Gallery {
  readonly gateway: RunningGateway
  readonly smtp: SmtpService
  /** Another gateway, whose set-up is not finished; `alone`: nobody else looks at it, so that it can be. */
  waiting(use?: 'alone'): Promise<RunningGateway>
  visit(options?: VisitOptions): Promise<Visit>
  /** Somebody new. */
  person(group?: Group, given?: { email: null }): Promise<Person>
  /** Always the same one. */
  known(name: keyof typeof NAMES, group: Group): Promise<Person>
  /** An app bound as if long ago; answers its key. */
  bindApp(person: Person): Promise<string>
  /** A set of recovery codes. */
  renewCodes(person: Person): Promise<string[]>
  close(): Promise<void>
}

export interface VisitOptions {
  language?: Language
}

/** One browser that looks at one page. */
export interface Visit {
  readonly gallery: Gallery
  readonly page: Page
  /** The client address, nobody else's. */
  readonly address: string
  /** What a browser complains of, requests to other hosts, and what the policy kept out; empty is good. */
  readonly problems: readonly string[]
  /** Requests to this gateway are no complaint either. */
  allow(issuer: string): void
  close(): Promise<void>
}

/** Of every client; the browser of a visit answers it. */
export const CALLBACK = 'http://127.0.0.1:9/callback'

const CLIENTS = [
  {
    client_id: 'intranet',
    client_name: 'Example Intranet',
    client_uri: 'https://intranet.example.com/',
    client_secret: 'Vt7rN2kq9wLx4pZd8sHm3yBc6fGj1aEu',
    redirect_uris: [CALLBACK],
  },
  {
    client_id: 'planner',
    client_name: 'Team Planner',
    client_uri: 'https://planner.example.net/',
    client_secret: 'u4Kp9xWb2mTz7dQh5nRc8vLf3jYs6gAe',
    redirect_uris: [CALLBACK],
    firstParty: false,
  },
]

const RULES = [
  { name: 'apps', when: { groups: ['apps'] }, methods: ['totp'] },
  { name: 'mails', when: { groups: ['mails'] }, methods: ['email'] },
  { name: 'later', when: { groups: ['later'] }, methods: ['totp'], grace: '3 sign-ins' },
]

/** One wrong answer is enough for the page that follows too many. */
const LIMITS = { passwordTries: 1, codesPerInteraction: 1, codesPerHour: 100, interactionsPerAddress: 10 }

export async function openGallery(): Promise<Gallery> {
  const [stores, chromium] = await Promise.all([startStores('embedded'), startChromium()])
  const site = await createTestSite({
    stores,
    mail: 'on',
    trusted: ['127.0.0.1'],
    hasher: breakable(testHasher),
    config: {
      mfa: { enabled: true, methods: ['email', 'totp'], email: { maxSendsPerHour: 100 } },
      policy: { rules: RULES },
      clients: CLIENTS,
      branding: { name: 'Example', color: '#2457d6' },
      limits: { ...LIMITS, codeFailuresInARow: 5, mailsPerDay: 200, codesPerDay: 300 },
    },
  })
  const { gateway, smtp } = site
  const waiting: Promise<RunningGateway>[] = []
  let shared: Promise<RunningGateway> | undefined
  const resting: Record<Language, Looker[]> = { en: [], sv: [] }
  const people = new Map<string, Promise<Person>>()

  const gallery: Gallery = {
    gateway,
    smtp,
    waiting(use) {
      if (use === undefined && shared !== undefined) return shared
      const started = startWaiting(stores)
      waiting.push(started)
      if (use === undefined) shared = started
      return started
    },
    async visit({ language = 'en' } = {}) {
      const looker = resting[language].pop() ?? (await openLooker(chromium, language))
      return visit(gallery, looker, () => void resting[language].push(looker))
    },
    person: (group, given) => gateway.person({ ...(group !== undefined && { groups: [group] }), ...given }),
    known(name, group) {
      const person = people.get(name) ?? gateway.person({ username: NAMES[name], groups: [group] })
      people.set(name, person)
      return person
    },
    bindApp: (person) => site.bindApp(person),
    renewCodes: (person) => site.renewCodes(person),
    async close() {
      await chromium.close()
      await site.stop()
      for (const other of waiting) await (await other).stop()
      await stores.stop()
    },
  }
  return gallery
}

async function startWaiting(stores: Stores): Promise<RunningGateway> {
  const port = await freePort()
  const config = { mfa: { methods: ['totp'] }, branding: { name: 'Example', color: '#2457d6' } }
  return startGateway({ stores, port, config })
}

function breakable(hasher: Hasher): Hasher {
  return {
    ...hasher,
    async verify(hash, password) {
      if (password === BROKEN.unavailable) throw new UnavailableError('hasher')
      if (password === BROKEN.internal) throw new Error('broken on purpose')
      return hasher.verify(hash, password)
    },
  }
}

let addresses = 0

/** A browser that makes one visit after the other: it takes along what it has loaded and compiled, and no cookie. */
interface Looker {
  readonly context: BrowserContext
  readonly page: Page
  /** Of the visit that is under way. */
  readonly watched: { issuers: string[]; problems: string[] }
}

async function visit(gallery: Gallery, { context, page, watched }: Looker, rest: () => void): Promise<Visit> {
  // The engine goes by the real time.
  gallery.gateway.clock.catchUp()
  addresses++
  const address = `198.18.${addresses >> 8}.${addresses & 255}`
  await context.setExtraHTTPHeaders({ 'x-forwarded-for': address })
  await lookAs(page, { theme: 'light', size: 'desktop' })
  const problems: string[] = []
  watched.issuers = [gallery.gateway.issuer]
  watched.problems = problems
  return {
    gallery,
    page,
    address,
    problems,
    allow: (issuer) => void watched.issuers.push(issuer),
    async close() {
      await context.clearCookies()
      rest()
    },
  }
}

async function openLooker(chromium: Chromium, language: Language): Promise<Looker> {
  const context = await chromium.newContext({ locale: language })
  const watched = { issuers: [], problems: [] }
  watch(context, watched)
  // What pages count down stands still too.
  await context.addInitScript(() => {
    performance.now = () => 0
  })
  await context.route(`${CALLBACK}**`, (route) => route.fulfill({ body: 'signed in' }))
  return { context, page: await context.newPage(), watched }
}

/** What Chromium says of a page whose status is not 200 is no complaint. */
const STATUS_NOTE = /^Failed to load resource: the server responded with a status of/

function watch(context: BrowserContext, watched: Looker['watched']): void {
  context.on('console', (message) => {
    const note = STATUS_NOTE.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !note) watched.problems.push(`console: ${message.text()}`)
  })
  context.on('weberror', (error) => watched.problems.push(`script: ${error.error()}`))
  context.on('request', (request) => {
    const url = request.url()
    const ours = watched.issuers.some((issuer) => url.startsWith(`${issuer}/`))
    if (!ours && !url.startsWith('data:') && !url.startsWith(CALLBACK)) {
      watched.problems.push(`request to ${url}`)
    }
  })
}

/** An authorization request of one of the gallery's clients. */
export function requestOf(issuer: string, parameters: Record<string, string> = {}): string {
  const query = new URLSearchParams({
    client_id: 'intranet',
    response_type: 'code',
    scope: 'openid profile email',
    redirect_uri: CALLBACK,
    state: randomBytes(8).toString('hex'),
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...parameters,
  })
  return `${issuer}/auth?${query}`
}
