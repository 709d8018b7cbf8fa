import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError } from '../../kernel/errors.ts'
import { pathOf } from '../checks/problem.ts'
import type { Config } from '../config.ts'
import { readSource } from './source.ts'

/**
 * The same error with file and line: for what shows only after the file was read, such as a client that the engine
 * refuses. `file`: of the configuration, empty when it was made from an object. Anything else is answered as it is.
 */
function placed(error: unknown, file: string): unknown {
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

/** Does the work; what is wrong with the file names the line also when only this part finds out. */
export async function atItsPlace<R>({ file }: Pick<Config, 'file'>, work: () => Promise<R>): Promise<R> {
  try {
    return await work()
  } catch (error) {
    throw placed(error, file)
  }
}
