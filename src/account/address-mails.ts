import { setImmediate as afterwards } from 'node:timers/promises'
import { loginKey } from '../accounts/account.ts'
import type { AccountAdmin } from '../accounts/account-store.ts'
import { type Clock, DAY, HOUR, MINUTE, SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import type { Mail } from '../kernel/mail.ts'
import { MailError, type Mailer } from '../mail/mailer.ts'
import { type Limit, spend } from '../state/allowance.ts'
import type { StateStore } from '../state/store.ts'
import type { PageError } from '../views/pages.ts'
import { CODE_TTL, type PendingAddresses } from './pending-address.ts'
import type { Visitor } from './section.ts'

export interface AddressMailsDependencies {
  accounts: Pick<AccountAdmin, 'findByLogin'>
  pending: Pick<PendingAddresses, 'draft' | 'keep'>
  state: StateStore
  /** Undefined where no mail is configured: then only an administrator changes addresses. */
  mailer: Mailer | undefined
  log: Log
  clock: Clock
}

export interface AddressMailsOptions {
  serviceName: string
  /** For each account, and for each address whoever asks. */
  mailsPerDay: number
}

/** The address that somebody wants to have. */
export interface WantedAddress {
  address: string
  /** How many codes were made for it before. */
  renewals: number
}

/** The codes that are mailed to new addresses. */
export interface AddressMails {
  /**
   * Makes a code, which waits from then on, and mails it behind the answer. An address that somebody else signs in
   * with is answered like any other and gets no mail; because the answer does not wait for the mail, neither its time
   * nor what the mail server has against a recipient tells the two apart (EN-4). Undefined: done; otherwise what kept
   * it from being made.
   */
  send(visitor: Visitor, wanted: WantedAddress): Promise<PageError | undefined>
  /** Waits for mails that are on their way to the mail server. */
  settled(): Promise<void>
}

const MAILS_PER_HOUR = 5
const MAIL_RETRY = 30 * SECOND

export function createAddressMails(options: AddressMailsOptions, dependencies: AddressMailsDependencies): AddressMails {
  const { accounts, pending, state, mailer, log, clock } = dependencies
  const underWay = new Set<Promise<void>>()

  /** A mail that fails is not given back to the limits either: that would show whose the address is. */
  async function sendBehind(by: Mailer, mail: Mail): Promise<void> {
    try {
      // Even to write the mail takes a moment, which the answer does not wait for.
      await afterwards()
      await by.send(mail)
    } catch (error) {
      // The mailer has logged why; the page offers another code.
      if (!(error instanceof MailError)) log.error('a code for a new address could not be sent', { error })
    }
  }

  return {
    async send(visitor, { address, renewals }) {
      if (mailer === undefined) return { code: 'bad-request' }
      const spent = await spend(limitsOf(visitor, address, options), state)
      if (!spent.ok) return { code: 'throttled', retryAfter: spent.wait }
      try {
        // Before anybody looks whose the address is, so that everybody is told when the mail server is down.
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
      const mail = mailOf(visitor, { address, code, time: clock.now(), service: options.serviceName })
      const work = sendBehind(mailer, mail).finally(() => underWay.delete(work))
      underWay.add(work)
      return undefined
    },
    async settled() {
      await Promise.all(underWay)
    },
  }
}

function mailOf(
  { locale, ip, userAgent }: Visitor,
  { address, ...facts }: { address: string; code: string; time: number; service: string },
): Mail {
  const data = { ...facts, minutes: CODE_TTL / MINUTE, browser: userAgent, ip }
  return { to: address, template: 'address-code', locale, data }
}

/** For each account, and for each address so that many accounts together cannot fill somebody's mailbox (EM-7). */
function limitsOf({ account }: Visitor, address: string, { mailsPerDay }: AddressMailsOptions): Limit[] {
  const kinds = { account: account.id, mailbox: loginKey(address) }
  return Object.entries(kinds).flatMap(([kind, of]) => [
    { name: `address-${kind}-hour`, count: MAILS_PER_HOUR, window: HOUR, of: [of] },
    { name: `address-${kind}-day`, count: mailsPerDay, window: DAY, of: [of] },
  ])
}
