import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type Scalar,
  visit,
} from 'yaml'
import type { Path, Problem } from '../checks/problem.ts'
import { InsertionError, type InsertionSources, insert } from './insertions.ts'

/** A file as it was written, and what it says. */
export interface Source {
  /** Plain data, insertions made; undefined when there are problems. */
  value: unknown
  problems: Problem[]
  /** The line of a key; where it is missing, of the nearest key around it. */
  lineOf(path: Path): number
}

/** The parser's own words quote the file, which may hold a secret: these do not. */
const SYNTAX: Record<string, string> = {
  ALIAS_PROPS: 'an alias has no properties of its own',
  BAD_INDENT: 'is indented wrongly',
  BLOCK_AS_IMPLICIT_KEY: 'is nested wrongly: check the colons and the indentation',
  DUPLICATE_KEY: 'is given twice',
  MISSING_CHAR: 'lacks a quote, a bracket, a comma or a colon',
  MULTILINE_IMPLICIT_KEY: 'lacks a colon behind the key',
  MULTIPLE_DOCS: 'a second document begins: one file holds one',
  TAB_AS_INDENT: 'is indented by a tab: use spaces',
  TAG_RESOLVE_FAILED: 'has an unknown tag',
  UNEXPECTED_TOKEN: 'is followed by something unexpected: check quotes and indentation',
}
const NOT_YAML = 'is not valid YAML'
const ALIASES = 100

export function readSource(text: string, sources: InsertionSources): Source {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' })
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line)
  const lineOf = (path: Path): number => lineAt(offsetOf(document, path))
  const broken = [...document.errors, ...document.warnings]
  if (broken.length > 0) {
    const problems = broken.map(({ code, pos }) => ({
      path: pathAt(document, pos[0]),
      reason: SYNTAX[code] ?? NOT_YAML,
    }))
    const [line] = broken.map(({ pos }) => lineAt(pos[0]))
    return { value: undefined, problems: problems.slice(0, 1), lineOf: () => line ?? 1 }
  }
  const problems = insertAll(document, sources)
  if (problems.length > 0) return { value: undefined, problems, lineOf }
  return { ...contentOf(document), lineOf }
}

function contentOf(document: Document.Parsed): Pick<Source, 'value' | 'problems'> {
  try {
    return { value: document.toJS({ maxAliasCount: ALIASES }) ?? {}, problems: [] }
  } catch {
    // So many of them that the data would be far larger than the file.
    return { value: undefined, problems: [{ path: [], reason: 'has too many aliases' }] }
  }
}

function insertAll(document: Document.Parsed, sources: InsertionSources): Problem[] {
  const problems: Problem[] = []
  visit(document, {
    Alias(_, node, ancestors) {
      if (node.resolve(document) !== undefined) return
      problems.push({ path: pathOf([...ancestors, node]), reason: 'is an alias without an anchor' })
    },
    Scalar(key, node, ancestors) {
      if (key === 'key' || typeof node.value !== 'string') return
      try {
        node.value = insert(node.value, sources)
      } catch (error) {
        if (!(error instanceof InsertionError)) throw error
        problems.push({ path: pathOf([...ancestors, node]), reason: error.message })
      }
    },
  })
  return problems
}

/** The keys and places that lead along these nodes. */
function pathOf(nodes: readonly unknown[]): Path {
  return nodes.flatMap((node, index): Path => {
    if (isPair(node)) return [nameOf(node)]
    return isSeq(node) && index + 1 < nodes.length ? [node.items.indexOf(nodes[index + 1])] : []
  })
}

function nameOf(pair: Pair<unknown, unknown>): string {
  return isScalar(pair.key) ? String(pair.key.value) : '?'
}

/** The path of the last key at or before this place. */
function pathAt(document: Document.Parsed, offset: number): Path {
  let path: Path = []
  visit(document, {
    Pair(_, pair, ancestors) {
      const start = startOf(pair)
      if (start !== undefined && start <= offset) path = pathOf([...ancestors, pair])
    },
  })
  return path
}

function startOf(entry: unknown): number | undefined {
  const node = isPair(entry) ? entry.key : entry
  return (node as Node | null)?.range?.[0]
}

function offsetOf(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const part of path) {
    const entry = entryOf(isAlias(node) ? node.resolve(document) : node, part)
    if (entry === undefined) return offset
    offset = startOf(entry) ?? offset
    node = isPair(entry) ? entry.value : entry
  }
  return offset
}

function entryOf(node: unknown, part: string | number): unknown {
  if (isSeq(node)) return node.items[Number(part)]
  if (!isMap(node)) return undefined
  return node.items.find((pair) => String((pair.key as Scalar | null)?.value) === part)
}
