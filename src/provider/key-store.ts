import type { Change } from '../audit/audit.ts'

/**
 * A signing key: a private JWK with `kid`, `alg` and `use`, stored encrypted. What it is used for follows from its
 * age (key-schedule.ts).
 */
export interface SigningKey {
  kid: string
  alg: 'RS256' | 'ES256'
  jwk: Record<string, unknown>
  /** Milliseconds since the epoch. */
  createdAt: number
}

export interface KeyStore {
  /** Oldest first. */
  list(): Promise<SigningKey[]>
  /**
   * Inserts these keys unless any key exists, and answers what is stored then: two processes starting at the same
   * time end with one set.
   */
  insertIfEmpty(keys: SigningKey[]): Promise<SigningKey[]>
  /**
   * Inserts these keys, if those that are stored are still the ones with the ids `beside`; otherwise false, and
   * nothing has happened.
   */
  add(keys: readonly SigningKey[], given: { beside: readonly string[]; audit: Change }): Promise<boolean>
  /** Removing what is not there is fine. */
  remove(kids: readonly string[]): Promise<void>
}
