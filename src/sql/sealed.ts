import type { Log } from '../kernel/log.ts'
import type { Sealer } from '../kernel/secrets.ts'

/** JSON sealed for one place: table, column and everything that says whose row it is (KM-5). */
export interface Sealed {
  seal(value: unknown, place: readonly string[]): string
  /** Throws, and says so in the log, when the text does not belong there: it is never "nothing" (KM-6). */
  open(text: string, place: readonly string[]): unknown
}

export function createSealed(dependencies: { sealer: Sealer; log: Log }): Sealed {
  const { sealer, log } = dependencies
  return {
    seal: (value, place) => sealer.seal(JSON.stringify(value ?? null), JSON.stringify(place)),
    open(text, place) {
      try {
        return JSON.parse(sealer.open(text, JSON.stringify(place)))
      } catch (error) {
        log.error('a sealed record cannot be opened', { place })
        throw new Error(`the sealed record ${place.join(' ')} cannot be opened`, { cause: error })
      }
    },
  }
}
