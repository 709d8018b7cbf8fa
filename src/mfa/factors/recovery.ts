import type { Account } from '../../accounts/account.ts'
import type { AuditEvent } from '../../audit/audit.ts'
import type { MethodLookup } from '../assurance/assurance.ts'
import type { Authenticator } from './authenticator.ts'
import type { Binding } from './binding-store.ts'

/** The codes that owners keep for the day on which they have lost everything else (RC-1). */
export interface RecoveryCodes {
  /**
   * A new set, as it is shown this once; the one before is dead, remembered devices too (RC-4). Who may ask for it is
   * the caller's to decide. `ip` and `browser` are of the request.
   */
  renew(account: Account, facts: { ip?: string | undefined; browser?: string | undefined }): Promise<string[]>
  /** How many of these bindings' codes can still be used. */
  left(bindings: readonly Binding[]): number
}

/** Codes that administrators give to people they know by other means: good once, and only to bind a new factor (I3). */
export interface BypassCodes {
  /**
   * In place of one given out before. `ttl`: milliseconds; `audit`: the row of the command. `expiresAt`: milliseconds
   * since the epoch.
   */
  issue(account: Account, given: { ttl: number; audit: AuditEvent }): Promise<{ code: string; expiresAt: number }>
}

/** The types that a fallback can stand in for: a code must not be worth more than what is proved to get it (FB-1). */
export function standInsFor(authenticators: readonly Authenticator[], lookup: MethodLookup): string[] {
  const reserves = authenticators.filter(({ fallback }) => fallback !== undefined)
  return authenticators
    .filter(({ fallback }) => fallback === undefined)
    .map(({ type }) => type)
    .filter((type) => {
      const method = lookup(type)
      return method !== undefined && reserves.every(({ assurance }) => assurance.isSubsetOf(method.assurance))
    })
}
