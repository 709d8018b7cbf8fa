import { randomToken } from '../../kernel/secrets.ts'
import type { StateKey, StateStore } from '../store.ts'
import { wholeMilliseconds } from '../ttl.ts'
import { run } from './run.ts'
import type { EmbeddedStatements } from './statements.ts'

/** What limits count with: numbers within a window, and places that can be given back. */
export function createCounters(
  statements: Pick<EmbeddedStatements, 'increment' | 'reserve' | 'release' | 'waitFor'>,
  now: () => number,
): Pick<StateStore, 'increment' | 'reserve' | 'release' | 'waitFor'> {
  function untilFree(key: StateKey, places: number, time: number): number | undefined {
    const expires = statements.waitFor.get({ key, places, now: time })?.expires as number | undefined
    return expires === undefined ? undefined : expires - time
  }

  return {
    async increment(key, window) {
      const milliseconds = wholeMilliseconds(window)
      return await run(() => {
        const time = now()
        return Number(statements.increment.get({ key, now: time, expires: time + milliseconds })?.value)
      })
    },
    async reserve(key, places, window) {
      const milliseconds = wholeMilliseconds(window)
      return await run(() => {
        const time = now()
        const given = { key, places, now: time, name: randomToken(9), expires: time + milliseconds }
        const held = statements.reserve.get(given)?.value as string | undefined
        if (held !== undefined) {
          const [count, name = ''] = held.split(' ')
          return { granted: true, left: places - Number(count), window: name }
        }
        return { granted: false, wait: Math.max(1, untilFree(key, places, time) ?? 1) }
      })
    },
    async release(key, reservation) {
      await run(() => statements.release.run({ key, now: now(), name: reservation.window }))
    },
    waitFor: (key, places) => run(() => untilFree(key, places, now())),
  }
}
