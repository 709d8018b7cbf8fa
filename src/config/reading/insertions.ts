import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** `${env:NAME}`, `${file:PATH}`, and what somebody meant to be one. */
const INSERTION = /\$\{([^}]*)\}?/g
const SOURCE = /^(env|file):(.+)$/s
const OTHERS = 0o077
const LARGEST_BYTES = 65_536

export interface InsertionSources {
  env: Readonly<Record<string, string | undefined>>
  /** Folder that relative paths start from. */
  base: string
}

/** Why a value cannot be inserted; the message never holds it. */
export class InsertionError extends Error {
  override name = 'InsertionError'
}

/**
 * The text with its insertions replaced, once: what is inserted is not read again. Behind `://` it is percent-encoded,
 * so that a password cannot become a host. Throws `InsertionError`.
 */
export function insert(text: string, sources: InsertionSources): string {
  return text.replace(INSERTION, (whole: string, name: string, offset: number) => {
    const [, kind, rest = ''] = SOURCE.exec(whole.endsWith('}') ? name : '') ?? []
    if (kind === undefined) throw new InsertionError(`has an unknown insertion: write \${env:NAME} or \${file:PATH}`)
    const value = kind === 'env' ? fromEnvironment(rest, sources) : fromFile(rest, sources)
    return text.slice(0, offset).includes('://') ? encodeURIComponent(value) : value
  })
}

function fromEnvironment(name: string, { env }: InsertionSources): string {
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (value === undefined || value === '') throw new InsertionError(`the environment variable ${name} is not set`)
  return value
}

function fromFile(name: string, { base }: InsertionSources): string {
  const text = readSecret(resolve(base, name), name).replace(/\r?\n$/, '')
  if (text === '') throw new InsertionError(`the file ${name} is empty`)
  return text
}

function readSecret(path: string, name: string): string {
  const file = open(path, name)
  try {
    const { mode, size } = fstatSync(file)
    // One handle for both: the file that was looked at is the file that is read.
    if ((mode & OTHERS) !== 0) throw new InsertionError(`the file ${name} can be read by others: chmod 600 it (KM-4)`)
    if (size > LARGEST_BYTES) throw new InsertionError(`the file ${name} is too large for a secret`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw error instanceof InsertionError ? error : unreadable(name, error)
  } finally {
    closeSync(file)
  }
}

function open(path: string, name: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    throw unreadable(name, error)
  }
}

function unreadable(name: string, error: unknown): InsertionError {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
  return new InsertionError(`the file ${name} cannot be read (${code})`)
}
