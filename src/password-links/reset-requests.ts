import type { Account } from '../accounts/account.ts'
import type { AccountStore } from '../accounts/account-store.ts'
import { createGate } from '../accounts/gate.ts'
import { LINK_TTL, type PasswordLinks } from '../accounts/password-links.ts'
import type { AuditTrail } from '../audit/audit.ts'
import { type Clock, HOUR, MINUTE } from '../kernel/clock.ts'
import { UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { networkOf } from '../kernel/network.ts'
import { MailError, type Mailer } from '../mail/mailer.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import { mayResetByMail, type ResetFacts } from '../mfa/policy/reset-by-mail.ts'
import { type Limit, spend } from '../state/allowance.ts'
import type { StateStore } from '../state/store.ts'

export interface ResetRequestOptions {
  issuer: string
  serviceName: string
  mode: ResetFacts['mode']
  policy: ResetFacts['policy']
  /** Types of authenticators that are the mailbox itself. */
  mailed: ReadonlySet<string>
  /** How many mails an account gets in an hour. */
  perAccount: number
  /** How many requests a network may make in an hour. */
  perNetwork: number
}

export interface ResetRequestDependencies {
  accounts: Pick<AccountStore, 'findByLogin'>
  bindings: Pick<BindingStore, 'list'>
  links: PasswordLinks
  mailer: Pick<Mailer, 'send'>
  state: StateStore
  trail: AuditTrail
  log: Log
  clock: Clock
}

/** Somebody who says that they have forgotten their password. */
interface ResetRequest {
  /** Name or address, as it was typed. */
  login: string
  /** The client address. */
  ip: string
  userAgent: string
  /** The language of the page; the mail goes by it where the account has none. */
  locale: string
}

export interface ResetRequests {
  /**
   * Takes a request, and does the work behind the answer: whoever asks learns neither from words nor from time
   * whether there is an account, whether it has an address, and whether it may be reset by mail (EN-4). Where this
   * network has asked too often, answers how many milliseconds to wait.
   */
  take(request: ResetRequest): Promise<number | undefined>
  /** Waits for what is under way. */
  settled(): Promise<void>
}

/** How many requests are worked on at a time, how many wait, and how long: each mail takes a moment. */
const QUEUE = { part: 'reset mails', concurrency: 5, queue: 200, wait: MINUTE }

export function createResetRequests(
  options: ResetRequestOptions,
  dependencies: ResetRequestDependencies,
): ResetRequests {
  const { issuer, serviceName, mode, policy, mailed } = options
  const { accounts, bindings, links, mailer, state, trail, log, clock } = dependencies
  const pass = createGate(QUEUE)
  const underWay = new Set<Promise<void>>()

  /** Why this account gets no link; undefined: it does. */
  async function refusalFor(account: Account | undefined): Promise<string | undefined> {
    if (account === undefined) return 'unknown'
    if (account.disabled) return 'disabled'
    if (account.email === undefined) return 'no-address'
    const bound = (await bindings.list(account.id)).map(({ type }) => type)
    if (!mayResetByMail({ mode, policy, bound, mailed })) return 'only-factor'
    const limit: Limit = { name: 'resets', count: options.perAccount, window: HOUR, of: [account.id] }
    return (await spend([limit], state)).ok ? undefined : 'too-many'
  }

  async function handle({ login, ip, userAgent, locale }: ResetRequest): Promise<void> {
    const account = await accounts.findByLogin(login)
    const reason = await refusalFor(account)
    const event = { event: 'password.reset.requested', account: account?.id, ip } as const
    if (reason !== undefined || account?.email === undefined) {
      return trail.record({ ...event, outcome: 'fail', details: { reason } })
    }
    trail.record({ ...event, outcome: 'ok' })
    await mailer.send({
      // The address on record, never the one that was typed (CVE-2023-7028).
      to: account.email,
      template: 'reset',
      locale: account.locale ?? locale,
      account: account.id,
      data: {
        service: serviceName,
        link: `${issuer}/reset/${await links.create(account)}`,
        minutes: LINK_TTL.reset / MINUTE,
        time: clock.now(),
        browser: userAgent,
        ip,
      },
    })
  }

  /** Nobody waits for this work, so only the log is told what goes wrong. */
  async function handleBehind(request: ResetRequest): Promise<void> {
    try {
      await pass(() => handle(request))
    } catch (error) {
      const expected = error instanceof UnavailableError || error instanceof MailError
      log[expected ? 'warn' : 'error']('a link to a new password could not be sent', { error })
    }
  }

  return {
    async take(request) {
      const limit: Limit = {
        name: 'resets-network',
        count: options.perNetwork,
        window: HOUR,
        of: [networkOf(request.ip)],
      }
      const spent = await spend([limit], state)
      if (!spent.ok) return spent.wait
      const work = handleBehind(request).finally(() => underWay.delete(work))
      underWay.add(work)
      return undefined
    },
    async settled() {
      await Promise.all(underWay)
    },
  }
}
