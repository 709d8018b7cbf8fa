import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'

/** A copy of the repository as it stands, uncommitted changes included, that may be broken. */
export interface Tree {
  folder: string
  /** Puts this text in the place of a file. */
  write(file: string, text: string): void
  remove(): void
}

export function copyTree(): Tree {
  const folder = mkdtempSync(join(baseFolder(), 'stepgate-mutate-'))
  // PostgreSQL does not run as root, and has to get to its cluster.
  chmodSync(folder, 0o711)
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    encoding: 'utf8',
  })
  for (const file of list.split('\0').filter((name) => name !== '' && existsSync(name))) {
    mkdirSync(join(folder, dirname(file)), { recursive: true })
    copyFileSync(file, join(folder, file))
  }
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'tmp'), { mode: 0o711 })
  return {
    folder,
    write: (file, text) => writeFileSync(join(folder, file), text),
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }),
  }
}

/** In memory, where there is such a place: the stores of tests start empty hundreds of times. */
function baseFolder(): string {
  if (process.env.TMPDIR !== undefined) return process.env.TMPDIR
  return existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
}
