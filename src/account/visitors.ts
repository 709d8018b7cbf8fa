import type { Context } from 'koa'
import type { AccountStore } from '../accounts/account-store.ts'
import { OWN_CLIENTS } from '../config/own-clients.ts'
import type { Clock } from '../kernel/clock.ts'
import { union } from '../mfa/assurance/assurance.ts'
import type { BindingStore } from '../mfa/factors/binding-store.ts'
import type { Proof } from '../mfa/factors/verifier.ts'
import type { Admissions } from '../mfa/policy/admission.ts'
import type { Decider, Question } from '../mfa/policy/decider.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'
import { aliveFor, type SessionProofRecords } from '../mfa/session/session-proofs.ts'
import type { Browser } from '../web/browser.ts'
import type { Responder } from '../web/responder.ts'
import type { Visitor } from './section.ts'

export interface VisitorDependencies {
  /** The engine's own session of this browser. */
  sessions: {
    of(ctx: Context): Promise<{ uid: string; accountId: string } | undefined>
    /** The session goes on under a new id. */
    renew(ctx: Context): Promise<void>
  }
  sessionProofs: Pick<SessionProofRecords, 'get' | 'replace'>
  accounts: Pick<AccountStore, 'find'>
  bindings: Pick<BindingStore, 'list'>
  decider: Decider
  admissions: Admissions
  responder: Pick<Responder, 'locale'>
  clock: Clock
}

export interface Visitors {
  /** Who is signed in here; undefined: nobody, or not as strongly as this account can be (CVE-2024-45042). */
  of(ctx: Context, browser: Browser): Promise<Visitor | undefined>
  /** Adds a proof to the visitor's session, which goes on under a new id. */
  proved(ctx: Context, visitor: Visitor, proof: Proof): Promise<void>
}

/** Asks the same policy as every authorization request does, once as each of the gateway's own two clients. */
export function createVisitors(dependencies: VisitorDependencies): Visitors {
  const { sessions, sessionProofs, accounts, bindings, decider, admissions, responder, clock } = dependencies
  return {
    async of(ctx, browser) {
      const found = await sessions.of(ctx)
      if (found === undefined) return undefined
      const [proved, account] = await Promise.all([sessionProofs.get(found.uid), accounts.find(found.accountId)])
      const record = proved?.value
      if (account === undefined || record === undefined || record.ended === true) return undefined
      if (!aliveFor(account, record) || clock.now() >= record.expiresAt) return undefined
      const bound = await bindings.list(account.id)
      const demandOf = (own: OwnPage) => {
        const client = { id: OWN_CLIENTS[own], require: undefined, own }
        const question: Question = { account, client, address: ctx.ip, requested: undefined }
        return decider.demandWith(question, bound)
      }
      const [demanded, strict] = [demandOf('view'), demandOf('change')]
      if (demanded.deny || !(await admissions.of(record, account, { demanded, asOf: undefined })).ok) return undefined
      const fresh = await admissions.of(record, account, { demanded: strict, asOf: undefined })
      return {
        account,
        bindings: bound,
        session: { ...record, uid: found.uid },
        demanded,
        fresh: !strict.deny && fresh.ok,
        locale: responder.locale(ctx, account.locale),
        ip: ctx.ip,
        userAgent: ctx.get('user-agent'),
        browser: browser.id,
      }
    },
    async proved(ctx, { session: { uid } }, proof) {
      const found = await sessionProofs.get(uid)
      if (found === undefined || found.value.ended === true) return
      const { value, version } = found
      const left = Math.max(1, (value.keptUntil ?? value.expiresAt) - clock.now())
      // If somebody has written in between, by a sign-out perhaps, that stands, and this proof is asked for once more.
      const kept = { ...value, proofs: union(value.proofs, [proof]) }
      if (await sessionProofs.replace(uid, version, kept, left)) await sessions.renew(ctx)
    },
  }
}
