import { clean, UNSAFE } from '../kernel/plain-text.ts'

export { clean } from '../kernel/plain-text.ts'

/** What a command prints: as text, or as JSON with `--json`. */
export interface Result {
  text: string
  json: unknown
}

/** Columns as wide as their widest value, two spaces apart; nothing is added after the last one. */
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

/** Prints progress or an error: one line on standard error, so that standard output holds results only. */
export function say(line: string): void {
  process.stderr.write(`${clean(line)}\n`)
}

/** A time in UTC, to the second: `2026-01-31T12:00:00Z`. */
export function timeText(milliseconds: number): string {
  return new Date(milliseconds).toISOString().replace(/\.\d+Z$/, 'Z')
}

const json = (value: unknown): string => escaped(JSON.stringify(value, undefined, 2))

/** JSON on one line, for commands that print one object per line. */
export const jsonLine = (value: unknown): string => escaped(JSON.stringify(value))

function escaped(text: string): string {
  // JSON.stringify escapes the first 32 characters only; the others stay JSON when they are written as \u.
  return text.replace(UNSAFE, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
