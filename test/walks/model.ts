import type { Browser, BrowserResponse } from '../harness/http-client.ts'
import { type Factor, type Grace, type Level, SESSION, type WalkClient } from './world.ts'

/** Times are milliseconds since the epoch everywhere here. */
export interface WalkAccount {
  id: string
  username: string
  email: string | undefined
  password: string
  groups: string[]
  disabled: boolean
  /** Raised by everything that ends sessions. */
  sessions: number
  /** Raised by everything that ends remembered devices. */
  factors: number
  apps: App[]
  mailBound: boolean
  /** By rule. */
  postponements: Map<string, { firstAt: number; count: number }>
}

export interface App {
  secret: string
  lastStep: number
}

/** A right answer that the gateway took. */
export interface Proof {
  account: WalkAccount
  /** Of the account's `sessions` when it was given. */
  epoch: number
  method: 'password' | Factor
  at: number
}

export interface Postponed {
  rule: string
  firstAt: number
}

export interface Session {
  account: WalkAccount
  epoch: number
  proofs: Proof[]
  postponed: Postponed | undefined
  startedAt: number
  usedAt: number
  /** Signed out, or somebody else signed in. */
  ended: boolean
}

/** The box was ticked with a right code. */
export interface Device {
  account: WalkAccount
  epoch: number
  factors: number
  method: Factor
  provenAt: number
  days: number
}

/** What is asked of an account at a client, read anew from the public interface: nothing here is the product's. */
export interface Asked {
  rule: string
  floor: Level
  /** Values of the request that are known; undefined: it asks for none. */
  levels: readonly Level[] | undefined
  /** An essential request of unknown values alone. */
  impossible: boolean
  secondFactor: boolean
  methods: readonly Factor[]
  rememberDays: number
  maxAge: number | undefined
  grace: Grace | undefined
  deny: boolean
}

/** One authorization request of one browser, over all its pages. */
export interface Request {
  client: WalkClient
  params: Readonly<Record<string, string>>
  startedAt: number
  /** Everything has to be proved in this request. */
  anew: boolean
  account: WalkAccount | undefined
  proofs: Proof[]
  postponed: Postponed | undefined
  /** By interaction and account: the code that was mailed last. */
  codes: Map<string, { code: string; at: number }>
  cancelled: boolean
}

export interface Tab {
  who: Walker
  request: Request
  openedAt: number
  /** Oldest first; the last one is on the screen. */
  pages: BrowserResponse[]
}

/** A browser, with what its owner has proved in it. */
export interface Walker {
  name: string
  browser: Browser
  address: string
  session: Session | undefined
  devices: Device[]
  /** Their cookies were cleared: a session of another day may still stand on them. */
  lost: Device[]
  tabs: Tab[]
}

/** A code that a relying party got, with everything that must account for it. */
export interface Issue {
  code: string
  at: number
  client: WalkClient
  request: Request
  /** When it was given: groups and factors may change before it is redeemed. */
  asked: Asked
  account: WalkAccount
  epoch: number
  session: Session
  /** Those that may count. */
  proofs: readonly Proof[]
  who: Walker
  redeemed: boolean
  /** Something has happened after which the gateway may refuse it. */
  mayBeOver?: boolean
  claims?: Claims
  idToken?: string
  refreshToken?: string
  /** Rotated, revoked or refused. */
  refreshOver?: boolean
}

export interface Claims {
  sub: string
  acr: string
  amr: readonly string[]
  auth_time: number
  nonce: string
  aud: string
}

/** What the engine's clocks may differ by, and the seconds it rounds to. */
export const TOLERANCE = 16_000

export function alive(session: Session | undefined, now: number): session is Session {
  if (session === undefined) return false
  const { account, epoch, startedAt, usedAt, ended } = session
  if (ended || account.disabled || account.sessions !== epoch) return false
  return now <= usedAt + SESSION.idle + TOLERANCE && now <= startedAt + SESSION.absolute + TOLERANCE
}

/** Of each method the newest. */
export function newest(proofs: readonly Proof[]): Proof[] {
  const byMethod = new Map<string, Proof>()
  for (const proof of proofs) {
    const known = byMethod.get(proof.method)
    if (known === undefined || known.at < proof.at) byMethod.set(proof.method, proof)
  }
  return [...byMethod.values()]
}

/** What a finished sign-in leaves behind in its browser. */
export function commit(who: Walker, request: Request, now: number): void {
  const { account, proofs, postponed } = request
  if (account === undefined || (proofs.length === 0 && postponed === undefined)) return
  const before = alive(who.session, now) && who.session.account === account ? who.session : undefined
  const kept = before === undefined || request.anew ? [] : before.proofs
  const session: Session = before ?? {
    account,
    epoch: account.sessions,
    proofs: [],
    postponed: undefined,
    startedAt: now,
    usedAt: now,
    ended: false,
  }
  session.proofs = [...kept, ...proofs]
  session.postponed = postponed ?? session.postponed
  session.usedAt = now
  if (who.session !== session && who.session !== undefined) who.session.ended = true
  who.session = session
}
