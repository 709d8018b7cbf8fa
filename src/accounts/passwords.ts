import { createGate } from './gate.ts'
import { argon2Of, dummyHash } from './hashes/argon2.ts'
import { readHash } from './hashes/read.ts'
import type { StoredHash } from './hashes/stored-hash.ts'
import { isTooLong, normalizePassword } from './password-rules.ts'

/**
 * Hashes passwords in the one form they are compared in, a few at a time; throws `UnavailableError('hasher')` when too
 * many wait.
 */
export interface Hasher {
  /** An argon2id PHC string. Throws a RangeError for a password that `passwordProblem` calls too long. */
  hash(password: string): Promise<string>
  /**
   * Whether the password is the one of this stored hash. Costs one hash whatever the answer, also for `undefined` and
   * for strings that are no hash or ask for too much work, which nobody's password fits (EN-2). A password that is too
   * long is refused before that: how long it is tells nothing about the account.
   */
  verify(hash: string | undefined, password: string): Promise<boolean>
  /** Whether the string should be renewed at the next right password. */
  outdated(hash: string): boolean
}

/**
 * `queue`: how many may wait; `wait`: milliseconds they do; `concurrency`: hashes at a time, no more than there are
 * cores.
 */
export function createHasher(options: { queue: number; wait: number; concurrency: number }): Hasher {
  const pass = createGate({ part: 'hasher', ...options })
  const dummy = usable(dummyHash())
  if (dummy === undefined) throw new TypeError('the dummy must be as good as any hash')
  return {
    async hash(password) {
      const normal = normalizePassword(password)
      if (isTooLong(normal)) throw new RangeError('the password is too long')
      return await pass(() => argon2Of(normal))
    },
    async verify(stored, password) {
      const normal = normalizePassword(password)
      if (isTooLong(normal)) return false
      const known = stored === undefined ? undefined : usable(stored)
      const right = await pass(() => (known ?? dummy).verify(normal))
      return known !== undefined && right
    },
    outdated: (stored) => usable(stored)?.outdated ?? true,
  }
}

function usable(stored: string): StoredHash | undefined {
  const reading = readHash(stored)
  return typeof reading === 'string' ? undefined : reading
}
