import { ConfigError, UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { keyOf, type StateStore } from './store.ts'

/** A form of what is kept in the state store, and the first release that can read it. */
export interface StateFormat {
  format: number
  since: string
}

/**
 * Of a program. `reads`: the newest it can read; a release before it is written, so that replicas can be exchanged
 * one by one.
 */
export interface FormatKnowledge {
  writes: StateFormat
  reads: number
}

/**
 * Raised by whatever a program of the format before would misread; what it can leave aside raises nothing
 * (docs/decisions/stored-formats.md). Records that say nothing are of format 1.
 */
export const STATE_FORMAT: FormatKnowledge = { writes: { format: 1, since: '0.1.0' }, reads: 1 }

const MARKER = keyOf('format')
/** Milliseconds, longer than anything else that is kept there; each start begins it anew. */
const MARKER_TTL = 10 * 365 * 24 * 3_600_000

/** Whoever wrote this knows more than we do: nothing is read from it, and nothing made up. */
class NewerFormatError extends Error {
  override name = 'NewerFormatError'

  constructor(kind: string, format: unknown) {
    super(`a record of the kind ${kind} is of format ${format}; this program knows ${STATE_FORMAT.reads}`)
  }
}

/**
 * Throws `UnavailableError` unless this program can read that format: another replica may, and nothing is lost
 * (FA-1).
 */
export function assertKnown(format: unknown, kind: string, log?: Log): void {
  if (Number.isInteger(format) && Number(format) <= STATE_FORMAT.reads) return
  log?.error('a record was written by a newer version', { kind, format })
  throw new UnavailableError('state', { cause: new NewerFormatError(kind, format) })
}

/** Words without spaces as one text, and the format behind them. */
export const textOfWords = (...words: string[]): string => `${words.join(' ')} f${STATE_FORMAT.writes.format}`

/** The words of a text; `kind` is for the log. Throws `UnavailableError` for a newer one. */
export function wordsOf(text: string, kind: string): string[] {
  const words = text.split(' ')
  const format = /^f(\d+)$/.exec(words.at(-1) ?? '')?.[1]
  if (format === undefined) return words
  assertKnown(Number(format), kind)
  return words.slice(0, -1)
}

export interface AdmissionOptions {
  /** The key of the file that names the store. */
  key: string
  own?: FormatKnowledge
}

/** What asks a store and changes nothing in it. */
const READS: ReadonlySet<string | symbol> = new Set(['get', 'indexList', 'waitFor', 'ping', 'evictionPolicy'])

/**
 * The same store, behind a look at what was written there: a marker names the newest format, and no operation
 * reaches a store that is newer than this program. Throws ConfigError when it is, and closes it. While the store does
 * not answer, the look is left to the first operation, which then fails as one that the store cannot serve. A store
 * that can be read and not written is read; what would write waits until the marker stands.
 */
export async function admitted<S extends StateStore>(
  store: S,
  { key, own = STATE_FORMAT }: AdmissionOptions,
  { log }: { log: Log },
): Promise<S> {
  let readable = false
  let marked = false
  let refused = false
  let looking: Promise<void> | undefined

  async function lookAndMark(): Promise<void> {
    const found = await markerOf(store, { key, own })
    readable = true
    await raiseMarker(store, found, own)
    marked = true
  }

  function look(): Promise<void> {
    looking ??= lookAndMark().finally(() => {
      looking = undefined
    })
    return looking
  }

  try {
    await look()
  } catch (error) {
    if (!(error instanceof UnavailableError)) {
      await store.close()
      throw error
    }
  }

  async function lookLate(operation: string | symbol): Promise<void> {
    try {
      await look()
    } catch (error) {
      if (readable && READS.has(operation)) return
      if (error instanceof UnavailableError) throw error
      if (!refused) log.error('the state store is not used', { error })
      refused = true
      throw new UnavailableError('state', { cause: error })
    }
  }

  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name)
      if (marked || name === 'close' || typeof member !== 'function') return member
      if (readable && READS.has(name)) return member
      return async (...given: unknown[]): Promise<unknown> => {
        await lookLate(name)
        return Reflect.apply(member, target, given)
      }
    },
  })
}

/** A marker that this program can read; undefined: there is none. Throws ConfigError for a newer one. */
async function markerOf(state: StateStore, { key, own }: Required<AdmissionOptions>): Promise<string | undefined> {
  const text = await state.get(MARKER)
  if (text === undefined) return undefined
  const found = markerIn(text)
  if (found.format > own.reads) throw new ConfigError(key, newerStore(found, own.reads))
  return text
}

/**
 * Writes what this program writes, unless it stands there; never goes down: of programs that start at the same time,
 * the newest one's stays. Its life begins anew where that can be written.
 */
async function raiseMarker(state: StateStore, found: string | undefined, { writes }: FormatKnowledge): Promise<void> {
  const mine = JSON.stringify(writes)
  for (let text = found; ; text = await state.get(MARKER)) {
    if (text === undefined) {
      if (await state.add(MARKER, mine, MARKER_TTL)) return
    } else if (markerIn(text).format >= writes.format) {
      await state.compareAndSet(MARKER, text, text, MARKER_TTL).catch(() => undefined)
      return
    } else if (await state.compareAndSet(MARKER, text, mine, MARKER_TTL)) {
      return
    }
  }
}

const newerStore = ({ format, since }: StateFormat, reads: number): string =>
  `the state store was written by a newer version of Stepgate (format ${Number.isFinite(format) ? format : 'unknown'}; this one knows ${reads}): run version ${since} or newer, or name an empty store, which signs everybody out`

/** What cannot be read is newer than anything known. */
function markerIn(text: string): StateFormat {
  try {
    const { format, since } = JSON.parse(text) as Partial<StateFormat>
    if (Number.isInteger(format) && typeof since === 'string') return { format: Number(format), since }
  } catch {
    // Below.
  }
  return { format: Number.POSITIVE_INFINITY, since: 'that wrote it' }
}
