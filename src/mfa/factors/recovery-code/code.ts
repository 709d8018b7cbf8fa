import { randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { equalSecrets, randomToken } from '../../../kernel/secrets.ts'

/** A code as it is kept: what was shown cannot be read from it (RC-2). */
export interface KeptCode {
  /** The code's first two characters: they find it, so that one try costs one hash. */
  index: string
  salt: string
  hash: string
  /** Milliseconds since the epoch. */
  usedAt?: number
}

/** Base 32 (RFC 4648, section 6): what is easily misread as one of these letters is not among the rest of them. */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const MISREAD: Readonly<Record<string, string>> = { '0': 'O', '1': 'I', '8': 'B' }
/** 80 bits; the index gives 10 of them away to whoever reads the opened record (RC-1 asks for 64). */
const LENGTH = 16
const INDEX_LENGTH = 2
const GROUP = /.{4}(?=.)/g
/** About 5 ms and 4 MB: nobody runs through 70 bits, however cheap a try (RC-2: low cost allowed). */
const COST = { N: 4096, r: 8, p: 1 }
const HASH_BYTES = 32

const derive = promisify<string, string, number, typeof COST, Buffer>(scrypt)

/** A new code whose index is none of these. */
export function newCode(taken: ReadonlySet<string>): string {
  for (;;) {
    const code = [...randomBytes(LENGTH)].map((byte) => ALPHABET[byte % ALPHABET.length]).join('')
    if (!taken.has(indexOf(code))) return code
  }
}

/** As it is shown: groups of four. */
export function spelled(code: string): string {
  return code.replace(GROUP, '$&-')
}

/** What was typed as the code it spells: spaces, dashes and case do not matter. Undefined when it is none. */
export function readCode(typed: string): string | undefined {
  const code = typed
    .toUpperCase()
    .replace(/[\s\p{Pd}]/gu, '')
    .replace(/[018]/g, (character) => MISREAD[character] ?? character)
  return code.length === LENGTH && /^[A-Z2-7]+$/.test(code) ? code : undefined
}

export function indexOf(code: string): string {
  return code.slice(0, INDEX_LENGTH)
}

export async function keep(code: string): Promise<KeptCode> {
  const salt = randomToken(16)
  return { index: indexOf(code), salt, hash: await hashOf(code, salt) }
}

/** Costs the same for a code that is not there. */
export async function matches(code: string, kept: KeptCode | undefined): Promise<boolean> {
  const hash = await hashOf(code, kept?.salt ?? '')
  return kept !== undefined && equalSecrets(hash, kept.hash)
}

async function hashOf(code: string, salt: string): Promise<string> {
  return (await derive(code, salt, HASH_BYTES, COST)).toString('base64url')
}
