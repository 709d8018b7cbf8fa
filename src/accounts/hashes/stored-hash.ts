import { timingSafeEqual } from 'node:crypto'

/** A stored hash that can be compared with a password. */
export interface StoredHash {
  /** Whether it should be renewed at the next right password (PW-7). */
  outdated: boolean
  /** Whether this password, in its normal form, is the one. */
  verify(normal: string): Promise<boolean>
}

/** `unknown`: not of this form. `costly`: asks for more work than is done for anybody, and is not computed (PW-7). */
export type Reading = StoredHash | 'unknown' | 'costly'

/** One way to hash passwords. */
export interface Scheme {
  /** What its strings begin with, between the first two `$`. */
  names: readonly string[]
  read(stored: string): Reading
}

/** Shorter ones could be met by chance. */
export const LEAST_TAG_BYTES = 16
export const LEAST_SALT_BYTES = 8
/** Longer ones are no hash of a password. */
const MOST_BYTES = 128

/**
 * Salt and tag as PHC strings hold them (base64 without padding), and passlib's with `.` for `+`; undefined: they are
 * not sound.
 */
export function saltAndTag(salt: string, tag: string): { salt: Buffer; tag: Buffer } | undefined {
  const [saltBytes, tagBytes] = [salt, tag].map((text) => Buffer.from(text.replaceAll('.', '+'), 'base64'))
  if (saltBytes === undefined || tagBytes === undefined) return undefined
  const sound = saltBytes.length >= LEAST_SALT_BYTES && tagBytes.length >= LEAST_TAG_BYTES
  return sound && saltBytes.length <= MOST_BYTES && tagBytes.length <= MOST_BYTES
    ? { salt: saltBytes, tag: tagBytes }
    : undefined
}

/**
 * As `timingSafeEqual`; for what is built on HMAC, which fills keys up with zeros: a password with NULs behind it fits
 * nothing.
 */
export function fits(normal: string, computed: Buffer, tag: Buffer): boolean {
  return timingSafeEqual(computed, tag) && !normal.includes('\0')
}
