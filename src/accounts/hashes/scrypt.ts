import { scrypt as derive, type ScryptOptions } from 'node:crypto'
import { fits, type Scheme, saltAndTag } from './stored-hash.ts'

const MIB = 1024 * 1024
/** Bytes it holds while it works, and bytes it fills in all lanes one after the other. */
const MOST_MEMORY = 256 * MIB
const MOST_WORK = 512 * MIB
const BLOCK = 128
const FORM = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d{0,2}),p=([1-9]\d{0,2})\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)$/

/** Verified, never made. */
export const scrypt: Scheme = {
  names: ['scrypt'],
  read(stored) {
    const [, exponent, r, p, salt, tag] = FORM.exec(stored) ?? []
    const bytes = salt === undefined || tag === undefined ? undefined : saltAndTag(salt, tag)
    if (bytes === undefined) return 'unknown'
    const cost = { N: 2 ** Number(exponent), r: Number(r), p: Number(p) }
    const memory = BLOCK * cost.N * cost.r
    if (memory > MOST_MEMORY || memory * cost.p > MOST_WORK) return 'costly'
    const options = { ...cost, maxmem: memory + BLOCK * cost.r * (cost.p + 2) + MIB }
    return {
      outdated: true,
      async verify(normal) {
        const computed = await scryptOf(normal, { ...bytes, options, length: bytes.tag.length })
        return fits(normal, computed, bytes.tag)
      },
    }
  },
}

function scryptOf(
  password: string,
  { salt, length, options }: { salt: Buffer; length: number; options: ScryptOptions },
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    derive(password, salt, length, options, (error, key) => (error === null ? resolve(key) : reject(error)))
  })
}
