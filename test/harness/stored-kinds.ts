import { DatabaseSync } from 'node:sqlite'
import { Redis } from 'ioredis'
import type { Source } from '../unit/architecture.ts'

/**
 * Kinds of keys, as `src/state/store.ts` puts them in front, in a Redis database or in the file of the embedded store.
 */
export async function kindsIn(place: { redis: string } | { file: string }): Promise<Set<string>> {
  const keys = 'redis' in place ? await keysOfRedis(place.redis) : keysOfFile(place.file)
  return new Set(keys.map((key) => key.slice(0, key.indexOf(':'))))
}

async function keysOfRedis(url: string): Promise<string[]> {
  const client = new Redis(url)
  try {
    return (await client.keys('sg:*')).map((key) => key.slice('sg:'.length))
  } finally {
    client.disconnect()
  }
}

function keysOfFile(file: string): string[] {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    const rows = database.prepare('select key from entries union select key from members').all()
    return rows.map(({ key }) => String(key))
  } finally {
    database.close()
  }
}

const QUOTED = `['"\`]([\\w$\\{\\}-]+)['"\`]`
/** Where the source names a kind: a key, a kind of records, a limit, a kind of links. */
const NAMED = [
  new RegExp(`\\bkeyOf\\(\\s*${QUOTED}`, 'g'),
  new RegExp(`\\bcreateRecords(?:<[^()]*>)?\\(\\s*${QUOTED}`, 'g'),
  new RegExp(`\\bname: ${QUOTED},\\s*(?:count|limit):`, 'g'),
  new RegExp(`\\bcreatePasswordLinks\\(\\s*${QUOTED}`, 'g'),
]
/** Where it passes on what was named elsewhere. */
const PASSED_ON = /\b(?:keyOf|createRecords(?:<[^()]*>)?)\(\s*(\w[\w.]*(?:\(\w+\))?)\s*[,)]/g

/** What the source writes into the state store: `used-${model}` for a name that is made. */
export function kindsNamedIn(sources: readonly Source[]): { kinds: Set<string>; passedOn: Set<string> } {
  // The file of the configuration has keys of its own.
  const texts = sources.filter(({ path }) => !path.startsWith('src/config/')).map(({ text }) => text)
  const all = (pattern: RegExp): string[] =>
    texts.flatMap((text) => [...text.matchAll(pattern)].map(([, name = '']) => name))
  return { kinds: new Set(NAMED.flatMap(all)), passedOn: new Set(all(PASSED_ON)) }
}

/** `used-${model}` as a pattern of what it can become. */
export const patternOf = (kind: string): RegExp => new RegExp(`^${kind.replace(/\$\{\w+\}/g, '[\\w-]+')}$`)
