import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'

/**
 * Signs the engine's cookies with HMAC-SHA-256. It has the three methods of Keygrip, which uses SHA-1 and makes a
 * sign-in a tenth slower. The first key signs, all keys verify.
 */
export class CookieKeys {
  readonly #keys: readonly KeyObject[]

  constructor(keys: readonly Buffer[]) {
    this.#keys = keys.map((key) => createSecretKey(key))
  }

  sign(data: string): string {
    const [key] = this.#keys
    if (key === undefined) throw new Error('no cookie key')
    return createHmac('sha256', key).update(data).digest('base64url')
  }

  verify(data: string, digest: string): boolean {
    return this.index(data, digest) >= 0
  }

  index(data: string, digest: string): number {
    const given = Buffer.from(digest)
    return this.#keys.findIndex((key) => {
      const right = Buffer.from(createHmac('sha256', key).update(data).digest('base64url'))
      return right.length === given.length && timingSafeEqual(right, given)
    })
  }
}

/**
 * The names of the engine's cookies: with `__Host-` where the path is `/`, with `__Secure-` where it is a longer one
 * (SE-6). An issuer on http, which is a loopback address, has plain names, because browsers refuse those prefixes
 * there.
 */
export function cookieNames(issuer: string): { session: string; interaction: string; resume: string } {
  const secure = issuer.startsWith('https:')
  const bound = secure ? '__Secure-' : ''
  return {
    session: `${secure ? '__Host-' : ''}stepgate-session`,
    interaction: `${bound}stepgate-interaction`,
    resume: `${bound}stepgate-resume`,
  }
}

/** The attributes of the engine's cookies, without `secure`, which depends on the issuer. */
export const SESSION_COOKIE = { httpOnly: true, sameSite: 'lax', signed: true } as const
