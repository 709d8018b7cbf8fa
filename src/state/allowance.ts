import { SECOND } from '../kernel/clock.ts'
import { keyOf, type StateStore } from './store.ts'

/** So many of something within a window, for whoever `of` names. */
export interface Limit {
  /** A fixed word of ours. */
  name: string
  count: number
  /** Milliseconds. */
  window: number
  of: readonly string[]
}

/**
 * The room left under several limits at once. What is spent is counted before it is judged, so that any number of parallel
 * callers get at most the limit between them (RL-4, CVE-2024-4629); what turned out not to be a failure is given back. A window
 * starts with the first spending and is not prolonged.
 */
export interface Allowance {
  /** Milliseconds until there is room again, where a limit was known to be used up when this was read. */
  readonly wait: number | undefined
  /** Counts one under each limit: undefined when there was room, else milliseconds until there is, and nothing is spent. */
  spend(): Promise<number | undefined>
  /** Makes up for the one spent. */
  giveBack(): Promise<void>
  /** The one spent was a failure: where it took the last place, `wait` says so from now on. */
  settle(): Promise<void>
}

interface Dependencies {
  state: StateStore
  /** Milliseconds since the epoch. */
  now: number
}

/** One trip to the store; `spend` and `giveBack` are one each. */
export async function readAllowance(limits: readonly Limit[], dependencies: Dependencies): Promise<Allowance> {
  const lines = await Promise.all(limits.map((limit) => readLine(limit, dependencies)))
  const giveBack = async (): Promise<void> => {
    await Promise.all(lines.map((line) => line.giveBack()))
  }
  return {
    wait: longest(lines.map((line) => line.wait)),
    async spend() {
      const wait = longest(await Promise.all(lines.map((line) => line.spend())))
      if (wait !== undefined) await giveBack()
      return wait
    },
    giveBack,
    async settle() {
      await Promise.all(lines.map((line) => line.settle()))
    },
  }
}

/**
 * What is given back has a counter of its own, read before counting: a caller never profits from what others give back after it
 * was counted, so that parallel callers cannot lift each other over the limit.
 */
async function readLine({ name, count, window, of }: Limit, { state, now }: Dependencies): Promise<Allowance> {
  const windowKey = keyOf(`${name}-window`, ...of)
  const backKey = keyOf(`${name}-back`, ...of)
  const [stored = '', back = '0'] = await Promise.all([state.get(windowKey), state.get(backKey)])
  const [time, mark] = stored.split(' ')
  const runs = stored !== '' && Number(time) + window > now
  const startedAt = runs ? Number(time) : now
  const left = startedAt + window - now
  const markFull = (): Promise<void> => state.set(windowKey, `${startedAt} full`, left)
  let lastPlace = false
  return {
    wait: runs && mark === 'full' ? left : undefined,
    async spend() {
      const [spent] = await Promise.all([
        state.increment(keyOf(name, ...of), window),
        // It outlives the counter a little: a full counter whose start is forgotten would look like a new window.
        state.add(windowKey, `${startedAt}`, window + SECOND),
      ])
      const counted = spent - Number(back)
      lastPlace = counted === count
      if (counted <= count) return undefined
      await markFull()
      return left
    },
    async giveBack() {
      // Gone before the counter is, so that it never adds to the next window.
      if (left > SECOND) await state.increment(backKey, left - SECOND)
    },
    async settle() {
      if (lastPlace) await markFull()
    },
  }
}

function longest(waits: readonly (number | undefined)[]): number | undefined {
  const known = waits.filter((wait) => wait !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}
