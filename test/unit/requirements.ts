import { globSync, readFileSync } from 'node:fs'

/** A file of the repository, from its top. */
export interface File {
  path: string
  text: string
}

export function readFiles(...patterns: string[]): File[] {
  return patterns
    .flatMap((pattern) => globSync(pattern))
    .sort()
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
}

const AREAS = 'DO EM EN FA FB IN KM LG LO OA PW RC RL SE SS TD TO WE'.split(' ').join('|')
/** Not behind the signs of an escape, and not a quoted word by itself. */
const ID = new RegExp(`(?<![\\w%{])(?:(?:${AREAS})-\\d{1,2}|[A-J]\\d{1,2}|X\\d{1,2})(?![\\w'])`, 'g')

export function idsIn(text: string): string[] {
  return [...new Set([...text.matchAll(ID)].map(([id]) => id))]
}

/** The ids that a page defines: first cells of its tables. One that is defined twice comes twice. */
export function definedIn(page: string): string[] {
  return [...page.matchAll(/^\| ([A-Z]{1,2}-?\d{1,2}) \|/gm)].map(([, id = '']) => id)
}

/** Cited and defined nowhere: `FILE: ID`. */
export function undefinedIds(files: readonly File[], defined: ReadonlySet<string>): string[] {
  return files.flatMap(({ path, text }) =>
    idsIn(text)
      .filter((id) => !defined.has(id))
      .map((id) => `${path}: ${id}`),
  )
}

/** Defined and cited by none of these. */
export function uncited(defined: Iterable<string>, tests: readonly File[]): string[] {
  const cited = new Set(tests.flatMap(({ text }) => idsIn(text)))
  return [...defined].filter((id) => !cited.has(id))
}

/** Pages that code or a page speaks of, by name, and that nobody has: `FILE: NAME`. */
export function unknownPages(files: readonly File[], pages: readonly string[]): string[] {
  const known = (name: string): boolean => pages.some((page) => page === name || page.endsWith(`/${name}`))
  return files.flatMap(({ path, text }) => {
    const names = [...text.matchAll(/(?<![\w*/.{-])(?:[\w-]+\/)*[\w-]+\.md\b/g)].map(([name]) => name)
    return [...new Set(names)].filter((name) => !known(name)).map((name) => `${path}: ${name}`)
  })
}
