import { globSync, readFileSync } from 'node:fs'
import { withoutComments } from './architecture.ts'

/** A file as it is written, with its comments. */
export interface SourceText {
  path: string
  text: string
}

/** `folders`: from the top of the repository. */
export function readTexts(folders: readonly string[]): SourceText[] {
  return folders
    .flatMap((folder) => globSync(`${folder}/**/*.ts`))
    .sort()
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
}

const FILE_LINES = 300
const FUNCTION_LINES = 100
const COLUMNS = 120

/** Comments and blank lines count: whoever reads a file reads them too. */
export function longFiles(texts: readonly SourceText[]): string[] {
  return texts
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > FILE_LINES)
    .map(({ path, lines }) => `${path}: ${lines} lines`)
}

/**
 * Functions from their first line to their last, comments and blank lines included; what stands inside a function
 * counts for it. (The linter's own rule counts neither comments nor what a template spans.) Read from the layout, which
 * the formatter keeps.
 */
export function longFunctions(texts: readonly SourceText[]): string[] {
  return texts.flatMap(({ path, text }) => {
    const lines = text.split('\n')
    return lines.flatMap((_, start) => {
      const { head, end } = blockFrom(lines, start)
      const count = end - start + 1
      return count > FUNCTION_LINES && isFunction(head) ? [`${path}:${start + 1}: ${count} lines`] : []
    })
  })
}

const OPENS = /(?:[({[<]|=>)$/
const CLOSES = /^\s*[)}\]>]/
const indentOf = (line: string): number => line.length - line.trimStart().length

/** `head`: the first line, and those on its level that close a part and open the next: `): Promise<void> {`. */
function blockFrom(lines: readonly string[], start: number): { head: string[]; end: number } {
  const first = lines[start] ?? ''
  const head = [first]
  if (!OPENS.test(first) || CLOSES.test(first)) return { head, end: start }
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index] ?? ''
    if (line.trim() === '' || indentOf(line) > indentOf(first)) continue
    if (indentOf(line) < indentOf(first) || !CLOSES.test(line)) return { head, end: index - 1 }
    if (!OPENS.test(line)) return { head, end: index }
    head.push(line)
  }
  return { head, end: lines.length - 1 }
}

const METHOD =
  /^\s*(?:(?:async|get|set|static|override|private) )*\*?(?!(?:if|for|while|switch|with)\b)[#\w]+(?:<.*>)?\(/

function isFunction(head: readonly string[]): boolean {
  const [first = '', last = ''] = [head[0], head.at(-1)]
  if (head.some((line) => /\bfunction\b|=>/.test(line))) return true
  return METHOD.test(first) && / \{$/.test(last)
}

/** Lines of comment that are wider than the formatter lets code be. */
export function wideComments(texts: readonly SourceText[]): string[] {
  const isWide = (line: string): boolean => line.length > COLUMNS && /^\s*(?:\/\*|\*|\/\/)|\s\/\/\s/.test(line)
  return texts.flatMap(({ path, text }) =>
    text.split('\n').flatMap((line, index) => (isWide(line) ? [`${path}:${index + 1}: ${line.length} columns`] : [])),
  )
}

interface TypeDeclaration {
  name: string
  path: string
  exported: boolean
}

const TYPE_DECLARATION =
  /^(export )?(?:declare )?(?:abstract )?(?:(?:interface|class|enum) (\w+)|type (\w+)(?:<[^=]*>)? =)/gm

function typesIn({ path, text }: SourceText): TypeDeclaration[] {
  return [...withoutComments(text).matchAll(TYPE_DECLARATION)].map(([, exported, name, alias]) => ({
    name: name ?? alias ?? '',
    path,
    exported: exported !== undefined,
  }))
}

/** Names of types and classes that one file exports and another one declares too, be it for itself alone. */
export function declaredTwice(texts: readonly SourceText[]): string[] {
  const byName = Map.groupBy(texts.flatMap(typesIn), ({ name }) => name)
  return [...byName]
    .filter(([, all]) => all.length > 1 && all.some(({ exported }) => exported))
    .map(([name, all]) => `${name}: ${all.map(({ path }) => path).join(', ')}`)
}

/** Classes of errors whose name does not say that they are one. */
export function unnamedErrors(texts: readonly SourceText[]): string[] {
  return texts.flatMap(({ path, text }) =>
    [...withoutComments(text).matchAll(/\bclass (\w+)(?:<.*>)? extends \w*Error\b/g)]
      .filter(([, name = '']) => !name.endsWith('Error'))
      .map(([, name]) => `${path}: ${name}`),
  )
}
