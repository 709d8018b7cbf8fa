import { DAY, HOUR } from '../kernel/clock.ts'
import { type Allowance, readAllowance } from '../state/allowance.ts'
import { keyOf, type StateKey, type StateStore } from '../state/store.ts'

/** RL-2, RL-8. Durations in milliseconds. */
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
  /** A browser this account signed in with before: it has room of its own, so that strangers cannot lock its owner out (RL-8). */
  known: string | undefined
}

export interface PasswordThrottle {
  /** Counts a try before it is judged. Parallel tries share the room: no more are judged than there is room for (RL-4). */
  begin(attempt: PasswordAttempt): Promise<Admission>
}

export type Admission =
  /** Judge it, and say how it went. */
  | { ok: true; succeeded(): Promise<void>; failed(): Promise<void> }
  /** Milliseconds until another try may be judged. */
  | { ok: false; retryAfter: number }

export function createPasswordThrottle(
  options: PasswordThrottleOptions,
  { state, now }: { state: StateStore; now: () => number },
): PasswordThrottle {
  const delayAfter = (failures: number): number =>
    Math.min(options.delayMax, options.delay * 2 ** Math.min(30, failures - options.tries))

  async function passGate(keys: Keys, failures: number): Promise<number | undefined> {
    const delay = delayAfter(failures)
    return (await state.add(keys.gate, `${now() + delay}`, delay)) ? undefined : delay
  }

  const networkRoom = ({ network, known }: PasswordAttempt): Promise<Allowance> => {
    const limit = { name: 'password-network', count: options.perAddress, window: options.window, of: [network] }
    return readAllowance(known === undefined ? [limit] : [], { state, now: now() })
  }

  async function sprayed({ account, network, known }: PasswordAttempt, keys: Keys): Promise<void> {
    if (known !== undefined || !(await state.add(keyOf('password-tried', network, account), '1', HOUR))) return
    const accounts = await state.increment(keyOf('password-accounts', network), HOUR)
    if (accounts >= options.accountsPerAddress) await state.set(keys.spraying, `${now() + HOUR}`, HOUR)
  }

  return {
    async begin(attempt) {
      const keys = keysOf(attempt)
      const [gate, spraying, room] = await Promise.all([
        state.get(keys.gate),
        attempt.known === undefined ? state.get(keys.spraying) : undefined,
        networkRoom(attempt),
      ])
      const closed = Math.max(Number(gate ?? 0), Number(spraying ?? 0)) - now()
      if (closed > 0) return { ok: false, retryAfter: closed }
      if (room.wait !== undefined) return { ok: false, retryAfter: room.wait }
      const [failures, wait] = await Promise.all([state.increment(keys.failures, DAY), room.spend()])
      if (wait !== undefined) return { ok: false, retryAfter: wait }
      // The last free try closes the gate behind it, and from then on each try has to be the one that closes it again.
      const delay = failures < options.tries ? undefined : await passGate(keys, failures)
      if (delay !== undefined) return { ok: false, retryAfter: delay }
      return {
        ok: true,
        async succeeded() {
          await Promise.all([state.delete(keys.failures, keys.gate), room.giveBack()])
        },
        async failed() {
          await Promise.all([room.settle(), sprayed(attempt, keys)])
        },
      }
    },
  }
}

interface Keys {
  failures: StateKey
  gate: StateKey
  spraying: StateKey
}

function keysOf({ account, network, known }: PasswordAttempt): Keys {
  const whose = known === undefined ? [account, network] : [account, 'known', known]
  return {
    failures: keyOf('password-failures', ...whose),
    gate: keyOf('password-gate', ...whose),
    spraying: keyOf('password-spraying', network),
  }
}
