import { SECOND } from '../kernel/clock.ts'

/** Seconds by which clocks of several gateways may differ; the engine's own `clockTolerance`. */
export const CLOCK_TOLERANCE = 15

/** The kind of record under which a model of the engine is stored. */
export const kindOf = (model: string): string => `engine-${model}`

/** Milliseconds. The engine gives every record a lifetime; one without would stay for ever, so it is refused. */
export function lifetime(expiresIn: number | undefined): number {
  if (expiresIn === undefined) throw new Error('a record without a lifetime')
  return (expiresIn + CLOCK_TOLERANCE) * SECOND
}
