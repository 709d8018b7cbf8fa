import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { ConfigError } from '../../kernel/errors.ts'
import { checks } from '../checks/checks.ts'
import { keyOf, type Path, type Problem } from '../checks/problem.ts'
import type { Config } from '../config.ts'
import { type FileFormat, schemaBy } from '../schema/schema.ts'
import { secretsIn } from '../schema/secret-fields.ts'
import { ConfigFileError } from './config-errors.ts'
import { toConfig } from './file-form.ts'
import { shaped } from './shape.ts'
import { readSource } from './source.ts'
import { withoutSecrets } from './unquoted.ts'

export interface LoadOptions extends FileFormat {
  /** For `${env:NAME}`; the process's own when absent. */
  env?: Readonly<Record<string, string | undefined>>
}

/**
 * Reads and checks the file. Throws `ConfigFileError`: each names file, line and key, none holds the value of a secret.
 */
export function loadConfig(file: string, { env = process.env, ...format }: LoadOptions): Config {
  const path = resolve(file)
  const base = dirname(path)
  const source = readSource(textOf(file), { env, base })
  const fail = (problems: Problem[]): never => refuse(problems, { file, lineOf: source.lineOf })
  if (source.problems.length > 0) return fail(source.problems)
  return checked(source.value, { format, file: path, base, fail })
}

/** The same from an object in the file's form, without insertions; relative paths start from the working directory. */
export function configFrom(value: unknown, format: FileFormat): Config {
  const fail = (problems: Problem[]): never => refuse(problems, undefined)
  return checked(value, { format, file: '', base: process.cwd(), fail })
}

interface Place {
  format: FileFormat
  file: string
  base: string
  fail: (problems: Problem[]) => never
}

function checked(value: unknown, { format, file, base, fail }: Place): Config {
  const { blocks } = format
  const quiet = (problems: Problem[]): Problem[] => withoutSecrets(problems, secretsIn(schemaBy(format), value))
  const result = shaped(value, format)
  if ('problems' in result) return fail(quiet(result.problems))
  const problems = checks(result.config, { blocks, base })
  if (problems.length > 0) return fail(quiet(problems))
  return toConfig(result.config, { file, base, types: Object.keys(blocks) })
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
    throw new ConfigFileError([new ConfigError('config', `the file cannot be read (${code})`, { file })])
  }
}

function refuse(problems: Problem[], source: { file: string; lineOf: (path: Path) => number } | undefined): never {
  const errors = problems
    .map(({ path, reason }) => {
      const key = keyOf(path) || 'config'
      return source === undefined
        ? new ConfigError(key, reason)
        : new ConfigError(key, reason, { file: source.file, line: source.lineOf(path) })
    })
    .sort((left, right) => (left.line ?? 0) - (right.line ?? 0))
  const [first = new ConfigError('config', 'is wrong'), ...others] = errors
  throw new ConfigFileError([first, ...others])
}
