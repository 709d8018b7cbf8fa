import { z } from 'zod'
import { DURATION, formatDuration, parseDuration } from './durations.ts'

const NOT_A_DURATION = 'expected a duration such as 30s, 10m, 24h or 30d'
/** Control characters, and the line and paragraph separators. */
const BREAKS = /[\p{Cc}\u2028\u2029]/u

interface Range<T> {
  from: T
  to: T
  default: T
}

/** A duration of the file, in milliseconds here. `from` and `to` belong to it. */
export function duration(range: Range<string>, meaning: string) {
  return boundedDuration(range).prefault(range.default).describe(`${meaning} ${range.from} to ${range.to}.`)
}

/** The same without a default. */
export function optionalDuration(range: Omit<Range<string>, 'default'>, meaning: string) {
  return boundedDuration(range).optional().describe(`${meaning} ${range.from} to ${range.to}.`)
}

function boundedDuration({ from, to }: { from: string; to: string }) {
  const [least = 0, most = 0] = [parseDuration(from), parseDuration(to)]
  return z
    .codec(z.string({ error: NOT_A_DURATION }).regex(DURATION, NOT_A_DURATION), z.number(), {
      decode: (text) => parseDuration(text) ?? 0,
      encode: formatDuration,
    })
    .refine((value) => value >= least && value <= most, `must be ${from} to ${to}`)
}

/** A whole number; `from` and `to` belong to it. */
export function whole(range: Range<number>, meaning: string) {
  return boundedWhole(range).prefault(range.default).describe(meaning)
}

export function boundedWhole({ from, to }: { from: number; to: number }) {
  const error = `must be a whole number from ${from} to ${to}`
  return z.int({ error }).min(from, error).max(to, error)
}

/** Text of one line that is not empty. */
export function line({ max }: { max: number }) {
  return z
    .string()
    .min(1, 'must not be empty')
    .max(max, `must have at most ${max} characters`)
    .refine((text) => !BREAKS.test(text), 'must be one line without control characters')
}

/** A list of different entries. */
export function listOf<Entry extends z.ZodType>(entry: Entry) {
  return z.array(entry).refine((list) => new Set(list).size === list.length, 'names something twice')
}

/** The same with at least one entry: an empty list would say nothing. */
export function someOf<Entry extends z.ZodType>(entry: Entry) {
  return listOf(entry).min(1, 'must have at least one entry')
}
