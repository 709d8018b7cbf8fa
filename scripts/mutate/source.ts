import { stripTypeScriptTypes } from 'node:module'
import { type Program, parse } from 'acorn'

/** A source file as written, and as the runtime sees it: the same length, types are spaces. */
export interface ParsedSource {
  text: string
  code: string
  program: Program
}

/** Throws a `SyntaxError` for what would not run. */
export function parseSource(text: string): ParsedSource {
  const code = stripTypeScriptTypes(text, { mode: 'strip' })
  if (code.length !== text.length) throw new SyntaxError('taking the types out has moved the code')
  return { text, code, program: parse(code, { ecmaVersion: 'latest', sourceType: 'module' }) }
}

export function runs(text: string): boolean {
  try {
    parseSource(text)
    return true
  } catch {
    return false
  }
}

/** From 1, as editors count. */
export function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
}
