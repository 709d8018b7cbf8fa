import type { AccountAdmin } from '../accounts/account-store.ts'
import type { AuditTrail } from '../audit/audit.ts'
import { type Clock, SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { parseAddress } from '../mail/address.ts'
import type { Mailer } from '../mail/mailer.ts'
import type { Notices } from '../mail/notices.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { StateStore } from '../state/store.ts'
import type { Form } from '../web/form.ts'
import { type AddressChange, createAddressChange } from './address-change.ts'
import { createAddressMails, type WantedAddress } from './address-mails.ts'
import { CODE_DIGITS, type PendingAddress, type PendingAddresses } from './pending-address.ts'
import type { ActionOutcome, Section, SubPage, Visitor } from './section.ts'

export interface AddressDependencies {
  accounts: Pick<AccountAdmin, 'findByLogin' | 'update'>
  pending: PendingAddresses
  state: StateStore
  /** Undefined where no mail is configured: then only an administrator changes addresses. */
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
  /** For each account, and for each address whoever asks. */
  mailsPerDay: number
  /** How often a person may have another code sent. */
  resends: number
}

const CONFIRM = 'confirm-address'
const RESEND_AFTER = 60 * SECOND

/** The email address. A new one counts once a code that was mailed there has come back (EM-12). */
export function createAddressSection(options: AddressOptions, dependencies: AddressDependencies): AddressSection {
  const { mailer, trail } = dependencies
  const mails = createAddressMails(options, dependencies)

  /** Mails a code to the address that somebody wants, and leads to the page on which it is entered. */
  async function send(visitor: Visitor, wanted: WantedAddress): Promise<ActionOutcome> {
    const error = await mails.send(visitor, wanted)
    trail.record({
      event: 'email.change.requested',
      outcome: error === undefined ? 'ok' : 'fail',
      account: visitor.account.id,
      ip: visitor.ip,
      details: { reason: error?.code },
    })
    return error === undefined ? { to: `/account/${CONFIRM}` } : { error, field: 'address' }
  }

  async function request(visitor: Visitor, form: Form): Promise<ActionOutcome> {
    const address = parseAddress((form.get('address') ?? '').trim())
    if (address === undefined) return { error: { code: 'address' }, field: 'address' }
    if (address === visitor.account.email && visitor.account.emailVerified) return { to: '/account' }
    return send(visitor, { address, renewals: 0 })
  }

  return {
    name: 'address',
    settled: () => mails.settled(),
    async show({ account }) {
      return { address: account.email, verified: account.emailVerified, changeable: mailer !== undefined }
    },
    actions: { address: { act: request } },
    pages: { [CONFIRM]: confirmPage(options, { ...dependencies, send, change: createAddressChange(dependencies) }) },
  }
}

/** The page on which the code is entered, or another one asked for. */
function confirmPage(
  { resends }: Pick<AddressOptions, 'resends'>,
  dependencies: Pick<AddressDependencies, 'pending' | 'clock'> & {
    send(visitor: Visitor, wanted: WantedAddress): Promise<ActionOutcome>
    change: AddressChange
  },
): SubPage {
  const { pending, clock, send, change } = dependencies

  async function resend(visitor: Visitor): Promise<ActionOutcome> {
    const waiting = await pending.get(visitor)
    if (waiting === undefined) return { to: '/account' }
    const wait = resendIn(waiting, { resends, now: clock.now() })
    if (wait === undefined) return { error: { code: 'throttled' } }
    if (wait > 0) return { error: { code: 'throttled', retryAfter: wait } }
    return send(visitor, { address: waiting.address, renewals: waiting.renewals + 1 })
  }

  return {
    name: CONFIRM,
    view: `pages/${CONFIRM}`,
    // The mail may take longer than a second factor stays fresh; whoever asked for the code had a fresh one, and the
    // code is good in their session and browser alone.
    open: true,
    async show(visitor) {
      const waiting = await pending.get(visitor)
      if (waiting === undefined) return undefined
      const now = clock.now()
      const expiresIn = Math.max(0, waiting.expiresAt - now)
      const ready = !waiting.spent && expiresIn > 0
      const next = resendIn(waiting, { resends, now })
      return { address: waiting.address, digits: CODE_DIGITS, ready, expiresIn, resendIn: next }
    },
    post: (visitor, form) =>
      form.get('action') === 'resend' ? resend(visitor) : change(visitor, form.get('code') ?? ''),
  }
}

/** Milliseconds until another code may be asked for; undefined: no more of them. */
function resendIn(
  { madeAt, renewals }: PendingAddress,
  { resends, now }: { resends: number; now: number },
): number | undefined {
  return renewals < resends ? Math.max(0, madeAt + RESEND_AFTER - now) : undefined
}
