import { keyOf, type Path, type Problem } from '../checks/problem.ts'
import type { AuthenticatorBlocks } from '../schema/block.ts'
import { type JsonSchema, jsonSchema } from '../schema/json-schema.ts'

/** Says that there is no such key, and which one was probably meant. */
export function unknownKey(path: Path, blocks: AuthenticatorBlocks): Problem {
  const meant = meantBy(path, jsonSchema(blocks))
  return { path, reason: meant === undefined ? 'unknown key' : `unknown key (did you mean ${meant}?)` }
}

function meantBy(path: Path, schema: JsonSchema): string | undefined {
  const around = path.slice(0, -1)
  const name = `${path.at(-1)}`
  const near = nearest(name, Object.keys(schemaAt(schema, around)?.properties ?? {}))
  if (near !== undefined) return keyOf([...around, near])
  // A known key in the wrong section.
  const elsewhere = pathsIn(schema).filter((other) => other.at(-1) === name)
  return elsewhere.length === 1 && elsewhere[0] !== undefined ? elsewhere[0].join('.') : undefined
}

function schemaAt(schema: JsonSchema, path: Path): JsonSchema | undefined {
  return path.reduce<JsonSchema | undefined>(
    (found, part) => (typeof part === 'number' ? found?.items : found?.properties?.[part]),
    schema,
  )
}

/** Keys outside lists: a place in a list has no name to suggest. */
function pathsIn(schema: JsonSchema): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => [
    [name],
    ...pathsIn(inner).map((path) => [name, ...path]),
  ])
}

function nearest(name: string, candidates: string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replace(/[-_]/g, '')
  const [best] = candidates
    .map((candidate) => ({ candidate, distance: distance(plain(name), plain(candidate)) }))
    .sort((left, right) => left.distance - right.distance)
  const tolerated = Math.max(1, Math.floor(name.length / 3))
  return best !== undefined && best.distance <= tolerated ? best.candidate : undefined
}

/** Insertions, deletions and replacements between two words (Levenshtein). */
function distance(left: string, right: string): number {
  let row = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...left].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...right].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[right.length] ?? 0
}
