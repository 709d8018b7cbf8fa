import type { Account } from '../accounts/account.ts'

/** Claims by scope (interface.md, Tokens). `acr`, `amr` and `auth_time` belong to `openid`, or no ID token carries them (X4). */
export const CLAIMS = {
  openid: ['sub', 'acr', 'amr', 'auth_time', 'sid'],
  profile: ['name', 'nickname', 'preferred_username', 'username', 'locale', 'updated_at'],
  email: ['email', 'email_verified'],
  groups: ['groups'],
} as const

/** The claims of these scopes, and all others: what a client's registration leaves out is not given in other ways either (OA-18). */
export function claimsWithin(scopes: readonly string[]): { own: string[]; others: string[] } {
  const entries = Object.entries(CLAIMS)
  const of = (within: boolean): string[] =>
    entries.filter(([scope]) => scopes.includes(scope) === within).flatMap(([, claims]) => [...claims])
  const own = of(true)
  return { own, others: of(false).filter((claim) => !own.includes(claim)) }
}

/** The scope that a claim belongs to. */
export function scopeOf(claim: string): string | undefined {
  return Object.entries(CLAIMS).find(([, claims]) => (claims as readonly string[]).includes(claim))?.[0]
}

/** Everything a relying party may learn of an account; the engine filters by scope. */
export function claimsOf(account: Account): { sub: string; [claim: string]: unknown } {
  return {
    sub: account.id,
    name: account.name ?? account.username,
    nickname: account.username,
    preferred_username: account.username,
    username: account.username,
    updated_at: Math.floor(account.updatedAt / 1000),
    groups: account.groups,
    ...(account.locale === undefined ? {} : { locale: account.locale }),
    ...(account.email === undefined ? {} : { email: account.email, email_verified: account.emailVerified }),
  }
}
