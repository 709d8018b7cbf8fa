import { pbkdf2 as derive } from 'node:crypto'
import { promisify } from 'node:util'
import { fits, type Scheme, saltAndTag } from './stored-hash.ts'

/** A few seconds of one core. */
const MOST_ROUNDS = 5_000_000
/** Of PHC: `i=` and, if given, the length of the tag; of passlib: the number alone. */
const FORM = /^\$pbkdf2-(sha256|sha512)\$(?:i=)?([1-9]\d{0,9})(?:,l=(\d{1,3}))?\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)$/

/** Verified, never made. */
export const pbkdf2: Scheme = {
  names: ['pbkdf2-sha256', 'pbkdf2-sha512'],
  read(stored) {
    const [, digest, rounds, length, salt, tag] = FORM.exec(stored) ?? []
    if (digest === undefined || rounds === undefined || salt === undefined || tag === undefined) return 'unknown'
    const bytes = saltAndTag(salt, tag)
    if (bytes === undefined || (length !== undefined && Number(length) !== bytes.tag.length)) return 'unknown'
    if (Number(rounds) > MOST_ROUNDS) return 'costly'
    return {
      outdated: true,
      async verify(normal) {
        const computed = await promisify(derive)(normal, bytes.salt, Number(rounds), bytes.tag.length, digest)
        return fits(normal, computed, bytes.tag)
      },
    }
  },
}
