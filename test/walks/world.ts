import { randomBytes } from 'node:crypto'
import { mock } from 'node:test'
import type { Log } from '../../src/kernel/log.ts'
import type { Mailer } from '../../src/mail/mailer.ts'
import { createSmtpMailer } from '../../src/mail/smtp-mailer.ts'
import { createRenderer } from '../../src/views/renderer.ts'
import { createTexts } from '../../src/views/texts.ts'
import type { RunningGateway } from '../harness/gateway.ts'
import { createTestSite, faultsOf } from '../harness/site.ts'
import type { SmtpService } from '../harness/smtp.ts'
import type { Stores } from '../harness/stores.ts'

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export type Level = 'pwd' | '2sv' | 'mfa'
export type Factor = 'email' | 'totp'
export type Grace = { signIns: number } | { within: number }

/** A rule in the words of this model: milliseconds, lists, no defaults. */
export interface WalkRule {
  name: string
  clients: readonly string[]
  group?: string
  /** Only where the browser is in `ELSEWHERE`. */
  elsewhere?: true
  secondFactor?: 'required' | 'if-bound' | 'off'
  require?: Level
  methods?: readonly Factor[]
  rememberDays?: number
  maxAge?: number
  grace?: Grace
  deny?: true
}

export interface WalkClient {
  id: string
  require?: Level
  defaultAcr?: readonly string[]
  thirdParty?: true
}

export const CLIENTS: readonly WalkClient[] = [
  { id: 'plain' },
  { id: 'strict', require: 'mfa' },
  { id: 'asks', defaultAcr: ['urn:stepgate:acr:2sv'] },
  { id: 'third', thirdParty: true },
  { id: 'fresh' },
  { id: 'app-only' },
  { id: 'mail-only' },
  { id: 'lazy' },
  { id: 'open' },
  { id: 'floor' },
  { id: 'later' },
  { id: 'weeks' },
  { id: 'never' },
]

export const GROUPS = ['blocked', 'finance'] as const
/** The address of every browser that is not at its usual place. */
export const ELSEWHERE = '198.51.100.7'

/** The first that matches decides. */
export const RULES: readonly WalkRule[] = [
  { name: 'blocked', clients: ['plain', 'third', 'lazy', 'later'], group: 'blocked', deny: true },
  {
    name: 'finance',
    clients: ['plain', 'third'],
    group: 'finance',
    require: 'mfa',
    methods: ['totp'],
    maxAge: 15 * MINUTE,
  },
  { name: 'elsewhere', clients: ['plain', 'third', 'open'], elsewhere: true, rememberDays: 0 },
  { name: 'fresh', clients: ['fresh'], maxAge: 15 * MINUTE },
  { name: 'app-only', clients: ['app-only'], methods: ['totp'], rememberDays: 7 },
  { name: 'mail-only', clients: ['mail-only'], methods: ['email'], rememberDays: 1 },
  { name: 'lazy', clients: ['lazy'], secondFactor: 'if-bound' },
  { name: 'open', clients: ['open'], secondFactor: 'off' },
  { name: 'floor', clients: ['floor'], require: '2sv', maxAge: HOUR },
  { name: 'later', clients: ['later'], methods: ['totp'], grace: { signIns: 2 } },
  { name: 'weeks', clients: ['weeks'], methods: ['totp'], grace: { within: 7 * DAY } },
  { name: 'never', clients: ['never'], rememberDays: 0 },
]

/** An installation to walk in. */
export interface Profile {
  name: string
  mail: 'on' | 'off'
  mfa: 'required' | 'if-bound'
  limits: 'wide' | 'default'
  /** Whether everything that is kept ends by the walk's clock: a server has one of its own. */
  clock: 'ours' | 'server'
}

export const ALWAYS: Profile = { name: 'both kinds', mail: 'on', mfa: 'required', limits: 'wide', clock: 'ours' }
export const APP_ONLY: Profile = {
  name: 'no mail server',
  mail: 'off',
  mfa: 'required',
  limits: 'wide',
  clock: 'ours',
}
export const OPTIONAL: Profile = { name: 'asked if bound', mail: 'on', mfa: 'if-bound', limits: 'wide', clock: 'ours' }
export const LIMITED: Profile = { name: 'usual limits', mail: 'on', mfa: 'required', limits: 'default', clock: 'ours' }
export const SERVERS: Profile = {
  name: 'Redis and PostgreSQL',
  mail: 'on',
  mfa: 'required',
  limits: 'wide',
  clock: 'server',
}

export interface World {
  profile: Profile
  gateway: RunningGateway
  smtp: SmtpService | undefined
  clients: readonly WalkClient[]
  rules: readonly WalkRule[]
  secret: string
  /** What the gateway's log said at level error since it was last emptied. */
  errors: string[]
  /** How often something happened that makes walks worth walking. */
  seen: Map<string, number>
  /** Milliseconds, of the gateway and of its engine. */
  now(): number
  /** Once no letter is on its way. */
  advance(by: number): Promise<void>
  stop(): Promise<void>
}

export const CALLBACK = 'http://127.0.0.1:9/callback'
export const SIGNED_OUT = 'http://127.0.0.1:9/signed-out'
export const SESSION = { idle: HOUR, absolute: 12 * HOUR, signIn: 15 * MINUTE }
export const CODE_TTL = 5 * MINUTE

const WIDE = {
  codesPerInteraction: 10,
  codesPerHour: 100,
  codesPerDay: 300,
  mailsPerInteraction: 10,
  mailsPerDay: 200,
  passwordTries: 100,
  passwordFailuresPerAddress: 100_000,
  accountsPerAddress: 100_000,
  interactionsPerAddress: 1_000_000,
  clientAuthPerMinute: 10_000,
}

/**
 * A gateway whose time, its engine's included, moves only when a walk says so. The process must hold nothing else that
 * needs the time: `Date` is replaced until `stop`.
 */
export async function startWorld(profile: Profile, stores: Stores): Promise<World> {
  mock.timers.enable({ apis: ['Date'], now: Math.ceil(Date.now() / DAY) * DAY })
  const errors: string[] = []
  const secret = randomBytes(24).toString('base64url')
  const log = faultsOf(errors)
  const methods: Factor[] = profile.mail === 'on' ? ['email', 'totp'] : ['totp']
  const possible = ({ methods: own }: WalkRule): boolean =>
    own === undefined || own.some((one) => methods.includes(one))
  const rules = RULES.filter(possible)
  const clients = CLIENTS.filter(({ id }) => profile.mail === 'on' || id !== 'mail-only')
  const now = (): number => Date.now()
  const leap = (by: number): void => mock.timers.setTime(now() + by)
  let post: WatchedMailer | undefined
  const site = await createTestSite({
    stores,
    log,
    clock: { now, advance: leap, catchUp: () => undefined },
    trusted: ['127.0.0.1'],
    ...(profile.mail === 'on' && {
      mail: 'on',
      mailer: (smtp) => {
        post = watchedMailer(smtp, log)
        return post.mailer
      },
    }),
    ...(profile.limits === 'wide' && { limits: WIDE }),
    clients: clients.map((client) => fileClient(client, secret)),
    config: {
      mfa: {
        ...(profile.mfa === 'required'
          ? { enabled: true }
          : { enabled: false, optOut: { understood: true, disableMfa: true } }),
        methods,
        rememberDays: 30,
        ...(profile.mail === 'on' && profile.limits === 'wide' && { email: { maxSendsPerHour: 100 } }),
      },
      policy: { rules: rules.map(fileRule) },
      tokens: { refresh: '30d' },
    },
  })
  return {
    profile,
    gateway: site.gateway,
    smtp: profile.mail === 'on' ? site.smtp : undefined,
    clients,
    rules,
    secret,
    errors,
    seen: new Map(),
    now,
    async advance(by) {
      await post?.idle()
      leap(by)
    },
    async stop() {
      mock.timers.reset()
      await site.stop()
    },
  }
}

const FROM = { name: 'Example', address: 'id@example.test' }

interface WatchedMailer {
  mailer: Mailer
  idle(): Promise<void>
}

/**
 * The usual one, and a wait for when it sends nothing: a connection that opens while time leaps takes itself for
 * unanswered.
 */
function watchedMailer({ url }: SmtpService, log: Log): WatchedMailer {
  const texts = createTexts({ languages: ['en', 'sv'] })
  const mailer = createSmtpMailer({ smtp: url, from: FROM }, { renderer: createRenderer({ texts }), texts, log })
  const sending = new Set<Promise<void>>()
  return {
    mailer: {
      ...mailer,
      async send(mail) {
        const sent = mailer.send(mail)
        sending.add(sent)
        await sent.finally(() => sending.delete(sent))
      },
    },
    async idle() {
      while (sending.size > 0) await Promise.allSettled(sending)
    },
  }
}

function fileRule({ name, clients, group, elsewhere, maxAge, grace, ...rest }: WalkRule): Record<string, unknown> {
  return {
    name,
    when: {
      clients,
      ...(group !== undefined && { groups: [group] }),
      ...(elsewhere && { networks: [`${ELSEWHERE}/32`] }),
    },
    ...(maxAge !== undefined && { maxAge: `${maxAge / MINUTE}m` }),
    ...(grace !== undefined && {
      grace: 'signIns' in grace ? `${grace.signIns} sign-ins` : `${grace.within / DAY}d`,
    }),
    ...rest,
  }
}

function fileClient({ id, require, defaultAcr, thirdParty }: WalkClient, secret: string): Record<string, unknown> {
  return {
    client_id: id,
    client_secret: secret,
    redirect_uris: [CALLBACK],
    post_logout_redirect_uris: [SIGNED_OUT],
    grant_types: ['authorization_code', 'refresh_token'],
    pkce: 'optional',
    ...(require !== undefined && { require }),
    ...(defaultAcr !== undefined && { default_acr_values: defaultAcr }),
    ...(thirdParty && { firstParty: false }),
  }
}
