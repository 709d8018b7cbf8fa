/** Keys and places in lists, from the top of the file. */
export type Path = readonly (string | number)[]

/** What is wrong with one key. `reason` never holds the value of a secret. */
export interface Problem {
  path: Path
  reason: string
}

/** `clients[0].redirect_uris[1]`: how messages name a key. */
export function keyOf(path: Path): string {
  return path.reduce<string>((key, part) => {
    if (typeof part === 'number') return `${key}[${part}]`
    return key === '' ? part : `${key}.${part}`
  }, '')
}

/** The other way round. */
export function pathOf(key: string): Path {
  return key.split(/[.[]/).map((part) => (part.endsWith(']') ? Number(part.slice(0, -1)) : part))
}

/** One problem when the condition holds, else none. */
export function when(wrong: boolean, path: Path, reason: string): Problem[] {
  return wrong ? [{ path, reason }] : []
}
