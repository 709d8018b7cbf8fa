import { randomBytes } from 'node:crypto'
import { hash, type Options, type ParsedHashOptions, parseOptions, verify } from '@node-rs/argon2'
import { createGate } from './gate.ts'
import { isTooLong, normalizePassword } from './password-rules.ts'

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

/** A stored hash that asks for more is refused, not computed (PW-7). */
const MOST_MEMORY = 256 * 1024
const MOST_PASSES = 10
const MOST_LANES = 16
const LONGEST_HASH = 512
/** The least that argon2 itself takes: KiB per lane, and salt. */
const LEAST_MEMORY = 8
const LEAST_SALT_BYTES = 8
/** A shorter tag could be met by chance. */
const LEAST_TAG_BYTES = 16

/** Hashes passwords in the one form they are compared in, a few at a time; throws `Unavailable('hasher')` when too many wait. */
export interface Hasher {
  /** An argon2id PHC string. Throws a RangeError for a password that `passwordProblem` calls too long. */
  hash(password: string): Promise<string>
  /**
   * Whether the password is the one of this PHC string. Costs one hash whatever the answer, also for `undefined` and for strings
   * that are no argon2 hash or ask for too much work, which nobody's password fits (EN-2). A password that is too long is
   * refused before that: how long it is tells nothing about the account.
   */
  verify(hash: string | undefined, password: string): Promise<boolean>
  /** Whether the string should be renewed at the next right password. */
  outdated(hash: string): boolean
}

/** `queue`: how many may wait; `wait`: milliseconds they do; `concurrency`: hashes at a time, no more than there are cores. */
export function createHasher(options: { queue: number; wait: number; concurrency: number }): Hasher {
  const pass = createGate({ part: 'hasher', ...options })
  const dummy = `$argon2id$v=19$m=${MEMORY},t=${PASSES},p=1$${unpadded(SALT_BYTES)}$${unpadded(TAG_BYTES)}`
  return {
    async hash(password) {
      const normal = normalizePassword(password)
      if (isTooLong(normal)) throw new RangeError('the password is too long')
      return await pass(() => hash(normal, { ...COST, salt: randomBytes(SALT_BYTES) }))
    },
    async verify(stored, password) {
      const normal = normalizePassword(password)
      if (isTooLong(normal)) return false
      const usable = stored !== undefined && isUsable(stored)
      const right = await pass(() => verify(usable ? stored : dummy, normal))
      return usable && right
    },
    outdated(stored) {
      const parsed = parse(stored)
      return parsed === undefined || !isCurrent(parsed)
    },
  }
}

function isUsable(stored: string): boolean {
  const parsed = parse(stored)
  if (parsed === undefined) return false
  const { memoryCost, timeCost, parallelism, outputLen, saltLen } = parsed
  const affordable = memoryCost <= MOST_MEMORY && timeCost <= MOST_PASSES && parallelism <= MOST_LANES
  const sound = outputLen >= LEAST_TAG_BYTES && saltLen >= LEAST_SALT_BYTES && timeCost >= 1 && parallelism >= 1
  return affordable && sound && memoryCost >= LEAST_MEMORY * parallelism
}

function isCurrent({ algorithm, version, memoryCost, timeCost, outputLen, saltLen }: ParsedHashOptions): boolean {
  const modern = algorithm === ARGON2ID && Number(version) === VERSION_19
  const costly = GOOD_COSTS.some(([memory, passes]) => memoryCost >= memory && timeCost >= passes)
  return modern && costly && outputLen >= TAG_BYTES && saltLen >= SALT_BYTES
}

function parse(stored: string): ParsedHashOptions | undefined {
  if (stored.length > LONGEST_HASH) return undefined
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
