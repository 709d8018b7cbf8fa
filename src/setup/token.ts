import { MINUTE } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { networkOf } from '../kernel/network.ts'
import { equalSecrets, randomToken, sha256 } from '../kernel/secrets.ts'
import type { SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
import { spend } from '../state/allowance.ts'
import { keyOf, type StateStore } from '../state/store.ts'

/**
 * The tokens of set-up: each process prints one to its console, and whoever has one may set this installation up
 * (A7).
 */
export interface SetupTokens {
  /** The token of this process. */
  readonly token: string
  /** Whether it is the token of a process that waits. `wait`: milliseconds, where this network has tried too often. */
  check(given: string, ip: string): Promise<{ ok: true } | { ok: false; wait?: number }>
  /** From here on no process accepts the token of this one. Never rejects. */
  close(): Promise<void>
}

interface SetupTokensDependencies {
  state: StateStore
  setupDecisions: Pick<SetupDecisionStore, 'get'>
  log: Log
}

const TRIES = 10
const WINDOW = 15 * MINUTE
/** How long other processes accept this token when nobody renews it: they are not told when this process is killed. */
const SHARED = 10 * MINUTE
/** How often it is renewed: a store that is down for a moment misses one renewal of three. */
const RENEWED = 3 * MINUTE

/**
 * Makes the token of this process (256 bits). While this process waits, every process of the installation accepts it:
 * its hash stands in the state store. A token is good for one thing, making the first administrator, and from then on
 * all tokens are dead. Until then it may be given more than once: the progress of a browser is kept for an hour in
 * that browser alone, and whoever loses it would otherwise need a restart to go on. That gives nothing away, because
 * somebody else who has read the token could as well have come first.
 */
export async function createSetupTokens({ state, setupDecisions, log }: SetupTokensDependencies): Promise<SetupTokens> {
  const token = randomToken()
  const own = sha256(token)
  const keyFor = (hash: string) => keyOf('setup-token', hash)
  let closed = false
  let renewal: Promise<void> | undefined

  async function renew(): Promise<void> {
    try {
      if (closed || (await setupDecisions.get()) !== undefined) return
      await state.set(keyFor(own), '1', SHARED)
    } catch (error) {
      // This process accepts its own token all the same.
      log.warn('other processes do not know the set-up token of this one', { error })
    }
  }

  await renew()
  const timer = setInterval(() => {
    renewal = renew()
  }, RENEWED).unref()

  async function known(hash: string): Promise<boolean> {
    if (closed || (await setupDecisions.get()) !== undefined) return false
    return equalSecrets(hash, own) || (await state.get(keyFor(hash))) !== undefined
  }

  return {
    token,
    async check(given, ip) {
      const network = networkOf(ip)
      const spent = await spend([{ name: 'setup-tries', count: TRIES, window: WINDOW, of: [network] }], state)
      if (!spent.ok) return { ok: false, wait: spent.wait }
      const right = await known(sha256(given.trim()))
      if (right) await spent.giveBack()
      else log.warn('a wrong set-up token was given', { ip })
      return { ok: right }
    },
    async close() {
      if (closed) return
      closed = true
      clearInterval(timer)
      // A renewal under way would write the token again after it was deleted.
      await renewal
      await state.delete(keyFor(own)).catch((error) => log.warn('the set-up token is not deleted', { error }))
    },
  }
}
