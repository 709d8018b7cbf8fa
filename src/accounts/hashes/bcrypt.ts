import { verify } from '@node-rs/bcrypt'
import type { Scheme } from './stored-hash.ts'

/** Of the exponent: about a second of one core. */
const MOST_COST = 14
/** What bcrypt reads of a password; the rest it would ignore. */
const MOST_BYTES = 72
const FORM = /^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/

/** Verified, never made (PW-8). */
export const bcrypt: Scheme = {
  names: ['2a', '2b', '2y'],
  read(stored) {
    const [, cost] = FORM.exec(stored) ?? []
    if (cost === undefined) return 'unknown'
    if (Number(cost) > MOST_COST) return 'costly'
    return {
      outdated: true,
      async verify(normal) {
        const whole = Buffer.byteLength(normal) <= MOST_BYTES && !normal.includes('\0')
        // What bcrypt would cut costs what any other wrong password costs.
        const right = await verify(whole ? normal : '', stored)
        return whole && right
      },
    }
  },
}
