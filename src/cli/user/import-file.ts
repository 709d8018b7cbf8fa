import { readFileSync } from 'node:fs'
import { type ImportList, readImport } from '../../administration/people/import-text.ts'
import { UsageError } from '../failure.ts'

const MOST_BYTES = 64 * 1024 * 1024

/** The users of a file. Throws UsageError for one that cannot be read. */
export function readImportFile(file: string): ImportList {
  return readImport(decoded(file))
}

function decoded(file: string): string {
  try {
    const bytes = readFileSync(file)
    if (bytes.length > MOST_BYTES) throw new Error('it is larger than 64 MiB')
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const reason = error instanceof TypeError ? 'it is not UTF-8' : error instanceof Error ? error.message : `${error}`
    throw new UsageError('FILE', `"${file}" cannot be read: ${reason}`)
  }
}
