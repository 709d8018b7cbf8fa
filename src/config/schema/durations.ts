import { DAY, HOUR, MINUTE, SECOND } from '../../kernel/clock.ts'

const UNITS = { d: DAY, h: HOUR, m: MINUTE, s: SECOND, ms: 1 } as const
type Unit = keyof typeof UNITS

/** `500ms`, `30s`, `10m`, `24h`, `30d`. */
export const DURATION = /^(0|[1-9][0-9]{0,8})(ms|s|m|h|d)$/

/** Milliseconds; undefined for what is not a duration. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = DURATION.exec(text) ?? []
  return count === undefined ? undefined : Number(count) * UNITS[unit as Unit]
}

/** The shortest spelling that `parseDuration` reads back to the same milliseconds. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return '0s'
  const units = Object.entries(UNITS)
  const [unit, length] = units.find(([, size]) => milliseconds % size === 0) ?? ['ms', 1]
  return `${milliseconds / length}${unit}`
}
