import { type AccountAdmin, LoginTakenError } from '../accounts/account-store.ts'
import type { AuditTrail } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { masked } from '../mail/address.ts'
import type { Notices } from '../mail/notices.ts'
import type { SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import { keepSession } from './kept-session.ts'
import type { PendingAddresses } from './pending-address.ts'
import type { ActionOutcome, Visitor } from './section.ts'

export interface AddressChangeDependencies {
  accounts: Pick<AccountAdmin, 'update'>
  pending: Pick<PendingAddresses, 'judge' | 'forget'>
  sessions: Pick<Sessions, 'endAll'>
  sessionProofs: SessionProofRecords
  notices: Notices
  trail: AuditTrail
  clock: Clock
}

/** Judges the code that came back from a new address, and gives the account that address if it is right. */
export type AddressChange = (visitor: Visitor, code: string) => Promise<ActionOutcome>

/** The one way in which an address becomes verified: nothing that a form says can mark it so (CVE-2026-27946). */
export function createAddressChange(dependencies: AddressChangeDependencies): AddressChange {
  const { accounts, pending, sessions, notices, trail, clock } = dependencies

  async function change(visitor: Visitor, address: string): Promise<ActionOutcome> {
    const { account, session, ip, userAgent } = visitor
    const facts = { time: clock.now(), ip, browser: userAgent, subject: masked(address), also: account.email }
    const mails = notices.of('address-changed', { ...account, email: address }, facts)
    const audit = { event: 'email.change.done', outcome: 'ok', account: account.id, ip, mails } as const
    try {
      await accounts.update(account.id, { email: address, emailVerified: true }, audit)
    } catch (error) {
      if (!(error instanceof LoginTakenError)) throw error
      // Somebody else has taken it while the code was on its way.
      trail.record({ ...audit, outcome: 'fail', details: { reason: 'taken' } })
      return { error: { code: 'expired' } }
    }
    // An address that was on record already and is only confirmed has ended no session.
    if (address !== account.email) await keepSession(session.uid, { before: account, change: 'factors' }, dependencies)
    await pending.forget(visitor)
    await sessions.endAll(account.id, { except: session.uid })
    return { to: '/account#address', notice: 'address-changed' }
  }

  return async (visitor, code) => {
    const judged = await pending.judge(visitor, code)
    if (judged.ok) return change(visitor, judged.address)
    const { reason } = judged
    if (reason === 'none') return { to: '/account' }
    const { account, ip } = visitor
    trail.record({ event: 'email.change.done', outcome: 'fail', account: account.id, ip, details: { reason } })
    return { error: { code: reason === 'expired' ? 'expired' : 'code' }, field: 'code' }
  }
}
