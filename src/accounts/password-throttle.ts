import { DAY, HOUR } from '../kernel/clock.ts'
import { type Limit, spend } from '../state/allowance.ts'
import { keyOf, type StateKey, type StateStore } from '../state/store.ts'

/** Room and waits for wrong passwords (RL-2, RL-8). Durations in milliseconds. */
export interface PasswordThrottleOptions {
  /** Failures of one account from one network before delays begin. */
  tries: number
  /** The first delay; it doubles with each further failure. */
  delay: number
  delayMax: number
  /** Failures from one network, whatever the account, within `window`. */
  perAddress: number
  window: number
  /** Different accounts tried from one network within an hour. */
  accountsPerAddress: number
}

/** Who tries: `account` is the canonical id, or for unknown names the name's key (RL-5, EN-5). */
export interface PasswordAttempt {
  account: string
  /** The network (`networkOf`). */
  network: string
  /**
   * A browser this account signed in with before: it has room of its own, so that strangers cannot lock its owner out
   * (RL-8).
   */
  known: string | undefined
}

export interface PasswordThrottle {
  /**
   * Counts a try before it is judged. Parallel tries share the room: no more are judged than there is room for (RL-4).
   */
  begin(attempt: PasswordAttempt): Promise<ThrottleDecision>
}

type ThrottleDecision =
  /** Judge it, and say how it went. `unjudged`: that could not be done, and so it does not count (FA-6). */
  | { ok: true; succeeded(): Promise<void>; failed(): Promise<void>; unjudged(): Promise<void> }
  /** Milliseconds until another try may be judged. */
  | { ok: false; retryAfter: number }

export function createPasswordThrottle(
  options: PasswordThrottleOptions,
  { state, now }: { state: StateStore; now: () => number },
): PasswordThrottle {
  const delayAfter = (late: number): number => Math.min(options.delayMax, options.delay * 2 ** Math.min(30, late))

  /**
   * Whoever wins the gate is judged, and it is closed behind them; undefined: won, else milliseconds until it opens.
   */
  async function passGate(keys: Keys): Promise<number | undefined> {
    const closed = Number((await state.get(keys.gate)) ?? 0) - now()
    if (closed > 0) return closed
    const delay = delayAfter(await state.increment(keys.late, DAY))
    return (await state.add(keys.gate, `${now() + delay}`, delay)) ? undefined : delay
  }

  /**
   * The account's own room: some free tries, the last of which closes the gate, and then one each time the gate opens.
   */
  async function enter(keys: Keys): Promise<Entry> {
    const place = await state.reserve(keys.free, options.tries, DAY)
    // Whoever has won the gate cannot open it again: others may have seen it closed.
    if (!place.granted) return { wait: await passGate(keys), leave: STAY }
    const last = place.left === 0
    // Somebody without a place may have passed the open gate a moment ago: one of the two is judged.
    const closed = !last || (await state.add(keys.gate, `${now() + options.delay}`, options.delay))
    if (!closed) return { wait: options.delay, leave: STAY }
    const leave = async (): Promise<void> => {
      await Promise.all([state.release(keys.free, place), last && state.delete(keys.gate)])
    }
    return { wait: undefined, leave }
  }

  const networkLimits = ({ network, known }: PasswordAttempt): Limit[] =>
    known === undefined
      ? [{ name: 'password-network', count: options.perAddress, window: options.window, of: [network] }]
      : []

  async function sprayed({ account, network, known }: PasswordAttempt, keys: Keys): Promise<void> {
    if (known !== undefined || !(await state.add(keyOf('password-tried', network, account), '1', HOUR))) return
    const accounts = await state.increment(keyOf('password-accounts', network), HOUR)
    if (accounts >= options.accountsPerAddress) await state.set(keys.spraying, `${now() + HOUR}`, HOUR)
  }

  return {
    async begin(attempt) {
      const keys = keysOf(attempt)
      const [network, spraying] = await Promise.all([
        spend(networkLimits(attempt), state),
        attempt.known === undefined ? state.get(keys.spraying) : undefined,
      ])
      if (!network.ok) return { ok: false, retryAfter: network.wait }
      const sprays = Number(spraying ?? 0) - now()
      // The account's own room comes last: what its network is refused for neither counts on it nor is kept for it.
      const own: Entry = sprays > 0 ? { wait: sprays, leave: STAY } : await enter(keys)
      if (own.wait !== undefined) {
        await network.giveBack()
        return { ok: false, retryAfter: own.wait }
      }
      return {
        ok: true,
        async unjudged() {
          await Promise.all([own.leave(), network.giveBack()])
        },
        async succeeded() {
          await Promise.all([state.delete(keys.free, keys.late, keys.gate), network.giveBack()])
        },
        failed: () => sprayed(attempt, keys),
      }
    },
  }
}

/** `wait`: milliseconds until there is room; undefined: there is. `leave` gives it back. */
interface Entry {
  wait: number | undefined
  leave(): Promise<void>
}

const STAY = async (): Promise<void> => {}

interface Keys {
  /** Tries without a delay. */
  free: StateKey
  /** Counts those after them. */
  late: StateKey
  gate: StateKey
  spraying: StateKey
}

function keysOf({ account, network, known }: PasswordAttempt): Keys {
  const whose = known === undefined ? [account, network] : [account, 'known', known]
  return {
    free: keyOf('password-free', ...whose),
    late: keyOf('password-late', ...whose),
    gate: keyOf('password-gate', ...whose),
    spraying: keyOf('password-spraying', network),
  }
}
