/** A signing key: a private JWK with `kid`, `alg` and `use`. Sealed at rest. */
export interface SigningKey {
  kid: string
  alg: 'RS256' | 'ES256'
  jwk: Record<string, unknown>
  /** `next` is published and does not sign yet; `active` signs; `retired` only verifies. */
  status: 'next' | 'active' | 'retired'
  createdAt: number
}

export interface KeyStore {
  list(): Promise<SigningKey[]>
  /**
   * Inserts these keys unless any key exists, and answers what is stored then: two processes starting at the same time end
   * with one set.
   */
  insertIfEmpty(keys: SigningKey[]): Promise<SigningKey[]>
}
