import { CsvError, parse } from 'csv-parse/sync'

const COLUMNS = ['username', 'email', 'name', 'groups', 'passwordHash'] as const
export type Column = (typeof COLUMNS)[number]

/** One user as the file has it. */
export interface ImportRow {
  /** Where it ends (CSV) or begins (JSON), from 1. */
  line: number
  cells: Readonly<Partial<Record<Column, unknown>>>
}

/** Something in the file that cannot be taken. */
export interface RowRefusal {
  line: number
  /** null: the line as a whole. */
  column: string | null
  reason: string
}

/** The users of a file. `spoilt`: as a whole it cannot be read as it was meant, and nothing of it is imported. */
export interface ImportList {
  rows: ImportRow[]
  refused: RowRefusal[]
  spoilt: boolean
}

const UNKNOWN = `is not one of ${COLUMNS.join(', ')}`

/** Reads a JSON array of objects, or CSV with a header. */
export function readImport(text: string): ImportList {
  return text.trimStart().startsWith('[') ? fromJson(text) : fromCsv(text)
}

const spoilt = (...refused: RowRefusal[]): ImportList => ({ rows: [], refused, spoilt: true })

function fromCsv(text: string): ImportList {
  let lines: { line: number; values: string[] }[]
  try {
    lines = recordsOf(text)
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    const { lines: line, message } = error as CsvError & { lines?: number }
    return spoilt({ line: line ?? 1, column: null, reason: `is no CSV: ${message}` })
  }
  const [head, ...rest] = lines
  if (head === undefined) return spoilt({ line: 1, column: null, reason: 'the file is empty' })
  const names = head.values.map((name) => name.trim())
  const wrong = headProblems(names).map((problem) => ({ line: head.line, ...problem }))
  if (wrong.length > 0) return spoilt(...wrong)
  const refused = rest
    .filter(({ values }) => values.length !== names.length)
    .map(({ line, values }) => ({
      line,
      column: null,
      reason: `has ${values.length} values where the header has ${names.length}`,
    }))
  const rows = rest
    .filter(({ values }) => values.length === names.length)
    .map(({ line, values }) => ({ line, cells: Object.fromEntries(names.map((name, index) => [name, values[index]])) }))
  return { rows, refused, spoilt: false }
}

function recordsOf(text: string): { line: number; values: string[] }[] {
  const found: { line: number; values: string[] }[] = []
  parse(text, {
    bom: true,
    relax_column_count: true,
    skip_empty_lines: true,
    on_record(values: string[], { lines: line }) {
      found.push({ line, values })
      return null
    },
  })
  return found
}

function headProblems(names: readonly string[]): Omit<RowRefusal, 'line'>[] {
  const unknown = names.filter((name) => !isColumn(name)).map((column) => ({ column, reason: UNKNOWN }))
  const twice = names.filter((name, index) => isColumn(name) && names.indexOf(name) !== index)
  const missing = names.includes('username') ? [] : [{ column: 'username', reason: 'is missing from the header' }]
  return [...unknown, ...twice.map((column) => ({ column, reason: 'is there twice' })), ...missing]
}

function isColumn(name: string): name is Column {
  return (COLUMNS as readonly string[]).includes(name)
}

function fromJson(text: string): ImportList {
  let values: unknown
  try {
    values = JSON.parse(text)
  } catch (error) {
    return spoilt({ line: 1, column: null, reason: `is no JSON: ${error instanceof Error ? error.message : error}` })
  }
  if (!Array.isArray(values)) return spoilt({ line: 1, column: null, reason: 'is no array' })
  const lines = linesOfElements(text)
  const rows: ImportRow[] = []
  const refused: RowRefusal[] = []
  for (const [index, value] of values.entries()) {
    const line = lines[index] ?? 1
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      refused.push({ line, column: null, reason: 'is no object' })
      continue
    }
    const unknown = Object.keys(value).filter((name) => !isColumn(name))
    if (unknown.length === 0) rows.push({ line, cells: value })
    refused.push(...unknown.map((column) => ({ line, column, reason: UNKNOWN })))
  }
  return { rows, refused, spoilt: false }
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{},\n]|[^\s"[\]{},]+/g

/** The line on which each element of the outermost array begins. The text is JSON. */
function linesOfElements(text: string): number[] {
  const found: number[] = []
  let line = 1
  let depth = 0
  let expected = false
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '\n') {
      line += 1
      continue
    }
    if (expected && token !== ']') found.push(line)
    if (token === '[' || token === '{') depth += 1
    if (token === ']' || token === '}') depth -= 1
    expected = depth === 1 && (token === ',' || found.length === 0)
  }
  return found
}
