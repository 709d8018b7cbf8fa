import type { Account } from '../../accounts/account.ts'
import { parseDuration } from '../../config/schema/durations.ts'
import { HOUR, MINUTE } from '../../kernel/clock.ts'
import type { BypassCodes } from '../../mfa/factors/recovery.ts'
import { changeBy } from '../actor.ts'
import type { NoReasonGiven, NotDone } from '../not-done.ts'
import {
  type PersonDependencies,
  type PersonFacts,
  type PersonGone,
  type UnknownPerson,
  withPerson,
} from '../people/person.ts'
import { reasonIn } from '../reason.ts'

const SHORTEST = MINUTE
const LONGEST = 24 * HOUR

export interface IssueBypassDependencies extends PersonDependencies {
  bypassCodes: BypassCodes
}

/** `ttl`: a duration from 1m to 24h, as it is to stand in the audit row. */
export interface IssueBypassFacts extends PersonFacts {
  reason: string
  ttl: string
}

/** `expiresAt`: milliseconds since the epoch. */
export interface BypassIssued {
  ok: true
  account: Account
  code: string
  expiresAt: number
}

/** Makes a code that lets somebody bind a new second factor after the password, once, and no more (I3). */
export async function issueBypass(
  dependencies: IssueBypassDependencies,
  { actor, person, ttl, ...given }: IssueBypassFacts,
): Promise<BypassIssued | NoReasonGiven | NotDone<'ttl'> | UnknownPerson | PersonGone | NotDone<'disabled'>> {
  const reason = reasonIn(given.reason)
  if (reason === undefined) return { ok: false, reason: 'no-reason' }
  const span = parseDuration(ttl)
  if (span === undefined || span < SHORTEST || span > LONGEST) return { ok: false, reason: 'ttl' }
  return withPerson(dependencies, person, async (account) => {
    if (account.disabled) return { ok: false, reason: 'disabled' }
    const audit = changeBy(actor, 'bypass.issued', { account, details: { reason, ttl } })
    return { ok: true, account, ...(await dependencies.bypassCodes.issue(account, { ttl: span, audit })) }
  })
}
