import { linkSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { ConfigError } from './errors.ts'
import { randomToken } from './secrets.ts'

const KEY_BYTES = 32

/**
 * The secret key of an embedded installation: made at the first start, mode 0600, the same for two processes that start
 * at once. Throws ConfigError for a file that others can read, or that holds no key (KM-4).
 */
export function readOrMakeKey(file: string): Buffer {
  make(file)
  if ((statSync(file).mode & 0o077) !== 0)
    throw new ConfigError('secretKey', `${file} can be read by others: chmod 600`)
  const key = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64url')
  if (key.length !== KEY_BYTES) throw new ConfigError('secretKey', `${file} does not hold 32 bytes`)
  return key
}

function make(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  const attempt = `${file}.${randomToken(6)}`
  writeFileSync(attempt, `${randomToken(KEY_BYTES)}\n`, { mode: 0o600 })
  try {
    // Complete or not there at all; the first one stays.
    linkSync(attempt, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(attempt)
  }
}
