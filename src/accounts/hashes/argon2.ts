import { randomBytes } from 'node:crypto'
import { hash, type Options, type ParsedHashOptions, parseOptions, verify } from '@node-rs/argon2'
import { LEAST_SALT_BYTES, LEAST_TAG_BYTES, type Scheme } from './stored-hash.ts'

/** OWASP's floor (PW-6), in KiB and passes. */
const MEMORY = 19_456
const PASSES = 2
const SALT_BYTES = 16
const TAG_BYTES = 32
// The enums of the package exist as types only.
const ARGON2ID = 2 as NonNullable<Options['algorithm']>
const VERSION_19 = 1
const COST: Options = {
  algorithm: ARGON2ID,
  memoryCost: MEMORY,
  timeCost: PASSES,
  parallelism: 1,
  outputLen: TAG_BYTES,
}

/** Costs that are as good as ours: KiB, passes (PW-6). A stored hash at or above one of them stays. */
const GOOD_COSTS = [
  [47_104, 1],
  [MEMORY, PASSES],
  [12_288, 3],
] as const

/** In KiB (PW-7). */
const MOST_MEMORY = 256 * 1024
const MOST_PASSES = 10
const MOST_LANES = 16
/** The least that argon2 itself takes: KiB per lane. */
const LEAST_MEMORY = 8

/** The one form in which new passwords are kept. */
export const argon2: Scheme = {
  names: ['argon2id', 'argon2i', 'argon2d'],
  read(stored) {
    const parsed = parse(stored)
    if (parsed === undefined || !isSound(parsed)) return 'unknown'
    const { memoryCost, timeCost, parallelism } = parsed
    if (memoryCost > MOST_MEMORY || timeCost > MOST_PASSES || parallelism > MOST_LANES) return 'costly'
    return { outdated: !isCurrent(parsed), verify: (normal) => verify(stored, normal) }
  },
}

/** An argon2id PHC string of current cost with a salt of its own. */
export function argon2Of(normal: string): Promise<string> {
  return hash(normal, { ...COST, salt: randomBytes(SALT_BYTES) })
}

/** Of current cost, and of no password. */
export function dummyHash(): string {
  return `$argon2id$v=19$m=${MEMORY},t=${PASSES},p=1$${unpadded(SALT_BYTES)}$${unpadded(TAG_BYTES)}`
}

function isSound({ memoryCost, timeCost, parallelism, outputLen, saltLen }: ParsedHashOptions): boolean {
  const sound = outputLen >= LEAST_TAG_BYTES && saltLen >= LEAST_SALT_BYTES && timeCost >= 1 && parallelism >= 1
  return sound && memoryCost >= LEAST_MEMORY * parallelism
}

function isCurrent({ algorithm, version, memoryCost, timeCost, outputLen, saltLen }: ParsedHashOptions): boolean {
  const modern = algorithm === ARGON2ID && Number(version) === VERSION_19
  const costly = GOOD_COSTS.some(([memory, passes]) => memoryCost >= memory && timeCost >= passes)
  return modern && costly && outputLen >= TAG_BYTES && saltLen >= SALT_BYTES
}

function parse(stored: string): ParsedHashOptions | undefined {
  try {
    return parseOptions(stored)
  } catch {
    return undefined
  }
}

/** Random bytes in the base64 of PHC strings. */
function unpadded(bytes: number): string {
  return randomBytes(bytes).toString('base64').replaceAll('=', '')
}
