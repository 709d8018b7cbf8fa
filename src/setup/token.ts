import { MINUTE } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { networkOf } from '../kernel/network.ts'
import { equalSecrets, randomToken, sha256 } from '../kernel/secrets.ts'
import type { SetupDecisionStore } from '../mfa/policy/setup-decision-store.ts'
import { spend } from '../state/allowance.ts'
import { keyOf, type StateStore } from '../state/store.ts'

/** What the console shows to whoever may set this installation up (A7). */
export interface SetupTokens {
  /** Of this process. */
  readonly token: string
  /** `wait`: this network has tried too often; milliseconds. */
  check(given: string, ip: string): Promise<{ ok: true } | { ok: false; wait?: number }>
  /** From here on no process knows it. Never rejects. */
  close(): Promise<void>
}

interface SetupTokensDependencies {
  state: StateStore
  setupDecisions: Pick<SetupDecisionStore, 'get'>
  log: Log
}

const TRIES = 10
const WINDOW = 15 * MINUTE
/** For the other processes, which are not told when this one is killed. */
const SHARED = 10 * MINUTE
/** A store that is out for a moment misses one of three. */
const RENEWED = 3 * MINUTE

/**
 * Makes the token of this process, 256 bits, and lets every process of the installation know it by its hash as long as this one waits.
 * The one thing it does is to make the first administrator, and with that all of them are dead. It may be given again before: what a
 * browser has reached is kept for an hour and in that browser alone, and who lost either would need a restart to go on, whereas somebody
 * else who has read the token could as well have been the first.
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
      // This process knows it all the same.
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
      // Otherwise it would write the token again.
      await renewal
      await state.delete(keyFor(own)).catch((error) => log.warn('the set-up token is not deleted', { error }))
    },
  }
}
