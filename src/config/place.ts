import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError } from '../kernel/errors.ts'
import { pathOf } from './problem.ts'
import { readSource } from './source.ts'

/**
 * The same error with file and line: for what shows only after the file was read, such as a client that the engine refuses. `file`: of the
 * configuration, empty when it was made from an object. Anything else is answered as it is.
 */
export function placed(error: unknown, file: string): unknown {
  if (!(error instanceof ConfigError) || error.line !== undefined || file === '') return error
  return new ConfigError(error.key, error.reason, { file, line: lineOf(error.key, file) })
}

function lineOf(key: string, file: string): number {
  try {
    return readSource(readFileSync(file, 'utf8'), { env: process.env, base: dirname(file) }).lineOf(pathOf(key))
  } catch {
    // It was there a moment ago; the key says enough.
    return 1
  }
}
