import type { Account } from '../accounts/account.ts'
import type { Clock } from '../kernel/clock.ts'
import type { AcrNames } from '../mfa/acr.ts'
import { type Level, satisfiedBy } from '../mfa/assurance.ts'
import type { Decider } from '../mfa/decider.ts'
import { type Demand, liveProofs, missing } from '../mfa/policy.ts'
import { aliveFor, type SessionProofRecords } from '../mfa/session-proofs.ts'

export interface RecheckDependencies {
  decider: Decider
  proofs: SessionProofRecords
  remembered: (id: string, account: Account, demanded: Demand) => Promise<boolean>
  acr: AcrNames
  clock: Clock
}

/** A refresh token's own words about its sign-in. */
export interface RefreshedToken {
  acr: string | undefined
  sessionUid: string | undefined
  client: { id: string; require: Level | undefined }
}

const RISING: readonly Level[] = ['pwd', '2sv', 'mfa']

/**
 * Whether a refresh token would still be given today: the account, its groups and the policy are asked again, with the proofs of the
 * sign-in it came from (OA-11, CVE-2026-43983). What the token says stays as first issued, so a later step-up does not lift it.
 */
export function createRecheck(
  dependencies: RecheckDependencies,
): (account: Account, token: RefreshedToken) => Promise<boolean> {
  const { decider, proofs, remembered, acr, clock } = dependencies
  return async (account, { acr: said, sessionUid, client }) => {
    const record = sessionUid === undefined ? undefined : (await proofs.get(sessionUid))?.value
    if (record === undefined || !aliveFor(account, record)) return false
    const demanded = await decider.demand({ account, client, address: record.address, requested: undefined })
    if (demanded.deny || !upTo(said, acr).has(demanded.require)) return false
    const live = liveProofs(record.proofs, demanded, clock.now())
    const standing = { levels: satisfiedBy(live, decider.lookup), proved: live.map(({ method }) => method) }
    if (missing(demanded, { ...standing, remembered: false }) === undefined) return true
    if (missing(demanded, { ...standing, remembered: true }) !== undefined || record.device === undefined) return false
    return remembered(record.device.id, account, demanded)
  }
}

/** The levels a token claims: its own, and those below it. */
function upTo(said: string | undefined, acr: AcrNames): ReadonlySet<Level> {
  const level = said === undefined ? undefined : acr.levelOf(said)
  if (level === undefined) return new Set()
  const rank = RISING.indexOf(level)
  // The phishing-resistant levels stand on an axis of their own and take two factors with them here.
  return new Set(rank < 0 ? [...RISING, level] : RISING.slice(0, rank + 1))
}
