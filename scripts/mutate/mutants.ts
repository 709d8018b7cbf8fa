import { editsOf } from './operators.ts'
import { parseSource, placeOf, runs } from './source.ts'

/** One way to break one line of one file. */
export interface Mutant {
  /**
   * `src/mfa/policy/policy.ts:12:5:condition`, then `:2`, `:3` where a place can be broken in several ways of a kind.
   */
  id: string
  file: string
  line: number
  /** Where in the file the change begins. */
  offset: number
  /** The lines that differ, as one, without indentation; `after` is empty when nothing is left of them. */
  before: string
  after: string
  /** The whole file with the change, and as it is. */
  text: string
  original: string
}

/** All of a file, in its order; those that would not even be read are left out when they are drawn. */
export function mutantsOf(file: string, text: string): Mutant[] {
  const seen = new Map<string, number>()
  return editsOf(parseSource(text)).map(({ operator, start, end, replacement }) => {
    const { line, column } = placeOf(text, start)
    const place = `${file}:${line}:${column}:${operator}`
    const turn = (seen.get(place) ?? 0) + 1
    seen.set(place, turn)
    const changed = text.slice(0, start) + replacement + text.slice(end)
    const from = text.lastIndexOf('\n', start - 1) + 1
    const lineEnd = text.indexOf('\n', Math.max(start, end))
    const to = lineEnd === -1 ? text.length : lineEnd
    return {
      id: turn === 1 ? place : `${place}:${turn}`,
      file,
      line,
      offset: start,
      before: oneLine(text.slice(from, to)),
      after: oneLine(text.slice(from, start) + replacement + text.slice(end, to)),
      text: changed,
      original: text,
    }
  })
}

function oneLine(text: string): string {
  return text.trim().replace(/\s+/g, ' ')
}

/** So many of them, the same for the same seed. Of each that is drawn it is known that it can be read. */
export function draw(mutants: readonly Mutant[], { seed, count }: { seed: number; count: number }): Mutant[] {
  const random = randomFrom(seed)
  const left = [...mutants]
  const drawn: Mutant[] = []
  while (left.length > 0 && drawn.length < count) {
    const [mutant] = left.splice(Math.floor(random() * left.length), 1)
    if (mutant !== undefined && runs(mutant.text)) drawn.push(mutant)
  }
  return drawn
}

/** Mulberry32: numbers from 0 to 1, the same for the same seed. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
