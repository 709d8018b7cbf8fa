import { setImmediate as afterwards } from 'node:timers/promises'
import { loginKey } from '../accounts/account.ts'
import { type AccountAdmin, LoginTakenError } from '../accounts/account-store.ts'
import type { AuditTrail } from '../audit/audit.ts'
import { type Clock, DAY, HOUR, MINUTE, SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { Mail } from '../kernel/mail.ts'
import { masked, parseAddress } from '../mail/address.ts'
import { MailError, type Mailer } from '../mail/mailer.ts'
import type { Notices } from '../mail/notices.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { type Limit, spend } from '../state/allowance.ts'
import type { StateStore } from '../state/store.ts'
import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'
import { keepSession } from './kept-session.ts'
import { CODE_DIGITS, CODE_TTL, type PendingAddress, type PendingAddresses } from './pending-address.ts'
import type { ActionOutcome, Section, Visitor } from './section.ts'

export interface AddressDependencies {
  accounts: Pick<AccountAdmin, 'findByLogin' | 'update'>
  pending: PendingAddresses
  state: StateStore
  /** Undefined where no mail is configured: then an administrator changes addresses. */
  mailer: Mailer | undefined
  sessions: Pick<Sessions, 'endAll'>
  sessionProofs: SessionProofRecords
  notices: Notices
  trail: AuditTrail
  log: Log
  clock: Clock
}

export interface AddressSection extends Section {
  /** Waits for codes that are on their way to the mail server. */
  settled(): Promise<void>
}

export interface AddressOptions {
  serviceName: string
  /** Per account, and per address whoever asks. */
  mailsPerDay: number
  /** Of one code on its owner's wish. */
  resends: number
}

interface Wanted {
  address: string
  /** How many codes were made for it before. */
  renewals: number
}

const CONFIRM = 'confirm-address'
const MAILS_PER_HOUR = 5
const RESEND_AFTER = 60 * SECOND
const MAIL_RETRY = 30 * SECOND

/**
 * A new address, once a code that was mailed there has come back (EM-12). An address that somebody else signs in with is answered like any
 * other, and gets no mail: the code is sent behind the answer, so that neither its time nor what the server has against a recipient tells
 * them apart (EN-4); nothing that a form says can mark an address as verified (CVE-2026-27946).
 */
export function createAddressSection(options: AddressOptions, dependencies: AddressDependencies): AddressSection {
  const { serviceName, resends } = options
  const { accounts, pending, state, mailer, sessions, notices, trail, log, clock } = dependencies
  const underWay = new Set<Promise<void>>()
  const factsOf = ({ account, ip }: Visitor) => ({ account: account.id, ip })

  async function send(visitor: Visitor, wanted: Wanted): Promise<ActionOutcome> {
    const error = await mail(visitor, wanted)
    trail.record({
      event: 'email.change.requested',
      outcome: error === undefined ? 'ok' : 'fail',
      ...factsOf(visitor),
      details: { reason: error?.code },
    })
    return error === undefined ? { to: `/account/${CONFIRM}` } : { error, field: 'address' }
  }

  async function mail(visitor: Visitor, { address, renewals }: Wanted): Promise<PageError | undefined> {
    if (mailer === undefined) return { code: 'bad-request' }
    const spent = await spend(limitsOf(visitor, address, options), state)
    if (!spent.ok) return { code: 'throttled', retryAfter: spent.wait }
    try {
      // Before it is known whose the address is: a server that is down is told of to everybody.
      await mailer.check()
    } catch (failure) {
      if (!(failure instanceof MailError)) throw failure
      await spent.giveBack()
      return { code: 'mail', retryAfter: MAIL_RETRY }
    }
    const owner = await accounts.findByLogin(address)
    const taken = owner !== undefined && owner.id !== visitor.account.id
    const { code, record } = pending.draft(visitor, { address, taken, renewals })
    await pending.keep(visitor, record)
    if (taken) return undefined
    const letter = mailFor(visitor, { address, code })
    const work = sendBehind(mailer, letter).finally(() => underWay.delete(work))
    underWay.add(work)
    return undefined
  }

  /** What goes wrong here is not given back to the limits either: it would show whose the address is. */
  async function sendBehind(by: Mailer, letter: Mail): Promise<void> {
    try {
      // Even to write it takes a moment.
      await afterwards()
      await by.send(letter)
    } catch (error) {
      // The mailer has logged why; the page offers another code.
      if (!(error instanceof MailError)) log.error('a code for a new address could not be sent', { error })
    }
  }

  function mailFor(visitor: Visitor, { address, code }: { address: string; code: string }): Mail {
    const { locale, ip, userAgent: browser } = visitor
    const data = { code, minutes: CODE_TTL / MINUTE, time: clock.now(), browser, ip, service: serviceName }
    return { to: address, template: 'address-code', locale, data }
  }

  async function request(visitor: Visitor, form: Form): Promise<ActionOutcome> {
    const address = parseAddress((form.get('address') ?? '').trim())
    if (address === undefined) return { error: { code: 'address' }, field: 'address' }
    if (address === visitor.account.email && visitor.account.emailVerified) return { to: '/account' }
    return send(visitor, { address, renewals: 0 })
  }

  async function resend(visitor: Visitor): Promise<ActionOutcome> {
    const waiting = await pending.get(visitor)
    if (waiting === undefined) return { to: '/account' }
    const wait = resendIn(waiting)
    if (wait === undefined) return { error: { code: 'throttled' } }
    if (wait > 0) return { error: { code: 'throttled', retryAfter: wait } }
    return send(visitor, { address: waiting.address, renewals: waiting.renewals + 1 })
  }

  /** Milliseconds; undefined: no more. */
  function resendIn({ madeAt, renewals }: PendingAddress): number | undefined {
    return renewals < resends ? Math.max(0, madeAt + RESEND_AFTER - clock.now()) : undefined
  }

  async function confirm(visitor: Visitor, form: Form): Promise<ActionOutcome> {
    const judged = await pending.judge(visitor, form.get('code') ?? '')
    if (judged.ok) return change(visitor, judged.address)
    if (judged.reason === 'none') return { to: '/account' }
    const { reason } = judged
    trail.record({ event: 'email.change.done', outcome: 'fail', ...factsOf(visitor), details: { reason } })
    return { error: { code: reason === 'expired' ? 'expired' : 'code' }, field: 'code' }
  }

  async function change(visitor: Visitor, address: string): Promise<ActionOutcome> {
    const { account, session, ip, userAgent } = visitor
    const facts = { time: clock.now(), ip, browser: userAgent, subject: masked(address), also: account.email }
    const mails = notices.of('address-changed', { ...account, email: address }, facts)
    const audit = { event: 'email.change.done', outcome: 'ok', ...factsOf(visitor), mails } as const
    try {
      await accounts.update(account.id, { email: address, emailVerified: true }, audit)
    } catch (error) {
      if (!(error instanceof LoginTakenError)) throw error
      // Somebody else has taken it while the code was on its way.
      trail.record({ ...audit, outcome: 'fail', details: { reason: 'taken' } })
      return { error: { code: 'expired' } }
    }
    // One that was only confirmed has moved nothing.
    if (address !== account.email) await keepSession(session.uid, { before: account, change: 'factors' }, dependencies)
    await pending.forget(visitor)
    await sessions.endAll(account.id, { except: session.uid })
    return { to: '/account#address', notice: 'address-changed' }
  }

  return {
    async settled() {
      await Promise.all(underWay)
    },
    name: 'address',
    async show({ account }) {
      return { address: account.email, verified: account.emailVerified, changeable: mailer !== undefined }
    },
    actions: { address: { act: request } },
    pages: {
      [CONFIRM]: {
        name: CONFIRM,
        view: `pages/${CONFIRM}`,
        // Who asked for the code proved it; it is good in their session and browser alone, and a mail may take its time.
        open: true,
        async show(visitor) {
          const waiting = await pending.get(visitor)
          if (waiting === undefined) return undefined
          const expiresIn = Math.max(0, waiting.expiresAt - clock.now())
          const ready = !waiting.spent && expiresIn > 0
          return { address: waiting.address, digits: CODE_DIGITS, ready, expiresIn, resendIn: resendIn(waiting) }
        },
        post: (visitor, form) => (form.get('action') === 'resend' ? resend(visitor) : confirm(visitor, form)),
      },
    },
  }
}

/** EM-7; by address, so that nobody's mailbox is filled by many accounts. */
function limitsOf({ account }: Visitor, address: string, { mailsPerDay }: AddressOptions): Limit[] {
  const kinds = { account: account.id, mailbox: loginKey(address) }
  return Object.entries(kinds).flatMap(([kind, of]) => [
    { name: `address-${kind}-hour`, count: MAILS_PER_HOUR, window: HOUR, of: [of] },
    { name: `address-${kind}-day`, count: mailsPerDay, window: DAY, of: [of] },
  ])
}
