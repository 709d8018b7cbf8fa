import type { Account } from '../accounts/account.ts'

/**
 * Claims by scope. `acr`, `amr` and `auth_time` stand under `openid`, because otherwise no ID token would carry them
 * (X4).
 */
export const CLAIMS = {
  openid: ['sub', 'acr', 'amr', 'auth_time', 'sid'],
  profile: ['name', 'nickname', 'preferred_username', 'username', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
  groups: ['groups'],
} as const

/**
 * The claims of these scopes, and all others. A client gets none of the others, also when it asks for a claim by its
 * own name: its registration leaves them out (OA-18).
 */
export function claimsWithin(scopes: readonly string[]): { own: string[]; others: string[] } {
  const entries = Object.entries(CLAIMS)
  const of = (within: boolean): string[] =>
    entries.filter(([scope]) => scopes.includes(scope) === within).flatMap(([, claims]) => [...claims])
  const own = of(true)
  return { own, others: of(false).filter((claim) => !own.includes(claim)) }
}

/** The scope to which a claim belongs; undefined: none of ours. */
export function scopeOf(claim: string): string | undefined {
  return Object.entries(CLAIMS).find(([, claims]) => (claims as readonly string[]).includes(claim))?.[0]
}

type ClaimName = (typeof CLAIMS)[keyof typeof CLAIMS][number]
/** What the engine says of the sign-in. */
type EngineClaim = 'acr' | 'amr' | 'auth_time' | 'sid'

/** Each claim of an account has its value here, or this does not compile; undefined: this account has none. */
function valuesOf(account: Account): Record<Exclude<ClaimName, EngineClaim>, unknown> & { sub: string } {
  return {
    sub: account.id,
    name: account.name ?? account.username,
    nickname: account.username,
    preferred_username: account.username,
    username: account.username,
    locale: account.locale,
    updated_at: Math.floor(account.updatedAt / 1000),
    email: account.email,
    email_verified: account.email === undefined ? undefined : account.emailVerified,
    groups: account.groups,
  }
}

/**
 * Everything that a relying party may learn about an account. The engine takes out what the granted scopes do not
 * cover.
 */
export function claimsOf(account: Account): { sub: string; [claim: string]: unknown } {
  const { sub, ...values } = valuesOf(account)
  return { sub, ...Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) }
}
