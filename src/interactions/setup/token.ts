import { DAY, MINUTE } from '../../kernel/clock.ts'
import { Unavailable } from '../../kernel/errors.ts'
import type { Log } from '../../kernel/log.ts'
import { networkOf } from '../../kernel/network.ts'
import { equalSecrets, randomToken, sha256 } from '../../kernel/secrets.ts'
import { spend } from '../../state/allowance.ts'
import { keyOf, type StateStore } from '../../state/store.ts'

/** What the console shows to whoever may set this installation up (A7). */
export interface SetupTokens {
  /** Of this process. */
  readonly token: string
  /** `wait`: this network has tried too often; milliseconds. */
  check(given: string, ip: string): Promise<{ ok: true } | { ok: false; wait?: number }>
  close(): Promise<void>
}

const TRIES = 10
const WINDOW = 15 * MINUTE
/** For the other processes; this one knows its own as long as it runs. */
const SHARED = 30 * DAY

/** Makes the token of this process, 256 bits, and lets every process of the installation know it by its hash. */
export async function createSetupTokens({ state, log }: { state: StateStore; log: Log }): Promise<SetupTokens> {
  const token = randomToken()
  const own = sha256(token)
  const keyFor = (hash: string) => keyOf('setup-token', hash)
  try {
    await state.set(keyFor(own), '1', SHARED)
  } catch (error) {
    // This process knows it all the same.
    if (!(error instanceof Unavailable)) throw error
    log.warn('other processes will not know the set-up token of this one', { error })
  }
  return {
    token,
    async check(given, ip) {
      const network = networkOf(ip)
      const spent = await spend([{ name: 'setup-tries', count: TRIES, window: WINDOW, of: [network] }], state)
      if (!spent.ok) return { ok: false, wait: spent.wait }
      const hash = sha256(given.trim())
      const right = equalSecrets(hash, own) || (await state.get(keyFor(hash))) !== undefined
      if (right) await spent.giveBack()
      else log.warn('a wrong set-up token was given', { ip })
      return { ok: right }
    },
    close: () => state.delete(keyFor(own)),
  }
}
