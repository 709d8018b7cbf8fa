import { argon2 } from './argon2.ts'
import { bcrypt } from './bcrypt.ts'
import { pbkdf2 } from './pbkdf2.ts'
import { scrypt } from './scrypt.ts'
import type { Reading } from './stored-hash.ts'

const SCHEMES = new Map(
  [argon2, bcrypt, pbkdf2, scrypt].flatMap((scheme) => scheme.names.map((name) => [name, scheme])),
)
const LONGEST = 512

/** A hash as it is stored or imported: PHC strings of argon2, PBKDF2 and scrypt, passlib's, and bcrypt's. */
export function readHash(stored: string): Reading {
  if (stored.length > LONGEST) return 'unknown'
  const [, name = ''] = /^\$([\w-]{1,20})\$/.exec(stored) ?? []
  return SCHEMES.get(name)?.read(stored) ?? 'unknown'
}
