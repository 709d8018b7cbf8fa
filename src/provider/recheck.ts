import type { Account } from '../accounts/account.ts'
import type { AcrNames } from '../mfa/assurance/acr.ts'
import type { Level } from '../mfa/assurance/levels.ts'
import type { Admissions } from '../mfa/policy/admission.ts'
import type { Decider } from '../mfa/policy/decider.ts'
import { aliveFor, type SessionProofRecords } from '../mfa/session/session-proofs.ts'

export interface RecheckDependencies {
  decider: Decider
  proofs: SessionProofRecords
  admissions: Admissions
  acr: AcrNames
}

/** What a refresh token says about the sign-in from which it comes. */
export interface RefreshedToken {
  acr: string | undefined
  sessionUid: string | undefined
  client: { id: string; require: Level | undefined }
}

/**
 * Whether a refresh token would still be given today: the account, its groups and policy are asked again, with the
 * proofs of the sign-in from which it comes (OA-11, CVE-2026-43983). What the token says stays as it was first
 * issued, so a later step-up does not raise it.
 */
export function createRecheck(
  dependencies: RecheckDependencies,
): (account: Account, token: RefreshedToken) => Promise<boolean> {
  const { decider, proofs, admissions, acr } = dependencies
  return async (account, { acr: said, sessionUid, client }) => {
    const record = sessionUid === undefined ? undefined : (await proofs.get(sessionUid))?.value
    if (record === undefined || !aliveFor(account, record)) return false
    const demanded = await decider.demand({ account, client, address: record.address, requested: undefined })
    if (demanded.deny || said === undefined) return false
    const { require, alsoRequire = [] } = demanded
    if (![require, ...alsoRequire].every((floor) => acr.reaches(said, floor))) return false
    return (await admissions.of(record, account, { demanded, asOf: undefined })).ok
  }
}
