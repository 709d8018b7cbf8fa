/** Everything that moves a terminal's cursor, changes its colours or turns text around (IN-5). */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** What a command found out: for people, and for scripts (`--json`). */
export interface Result {
  text: string
  json: unknown
}

/** A value that others typed, fit for one line of a terminal. */
export function clean(text: string): string {
  return text.replace(UNSAFE, '')
}

/** Columns as wide as their widest value, two spaces apart; the last one is left ragged. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((row) => row.map(clean))
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** One `name  value` a line; what is undefined is left out. */
export function fields(values: Record<string, string | undefined>): string {
  const known = Object.entries(values).filter(([, value]) => value !== undefined)
  const width = Math.max(...known.map(([name]) => name.length))
  return known.map(([name, value]) => `${name.padEnd(width)}  ${clean(value ?? '')}`.trimEnd()).join('\n')
}

export function print(result: Result, form: 'text' | 'json'): void {
  const text = form === 'json' ? json(result.json) : result.text
  if (text !== '') process.stdout.write(`${text}\n`)
}

/** Progress and errors: one line, apart from the results. */
export function say(line: string): void {
  process.stderr.write(`${clean(line)}\n`)
}

/** A time as people and scripts read it, UTC. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z')
}

const json = (value: unknown): string => escaped(JSON.stringify(value, undefined, 2))

/** One object of many, on a line of its own. */
export const jsonLine = (value: unknown): string => escaped(JSON.stringify(value))

function escaped(text: string): string {
  // JSON.stringify escapes the first 32 characters only.
  return text.replace(UNSAFE, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
