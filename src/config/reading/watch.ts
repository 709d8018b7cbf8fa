import { type FSWatcher, watch } from 'node:fs'
import { basename, dirname } from 'node:path'
import { ConfigError, messageOf } from '../../kernel/errors.ts'
import type { Log } from '../../kernel/log.ts'
import type { Config } from '../config.ts'
import type { FileFormat } from '../schema/schema.ts'
import { changesBetween } from './changes.ts'
import { loadConfig } from './load.ts'

/** Editors write a file in several steps; what they do within this time, in milliseconds, is one change. */
const SETTLES = 200
/** Parts of the file that a running gateway keeps as they were at its start. */
const FIXED =
  /^(issuer|listen\.(host|port|workers)|metrics\b|secretKey|stores\.|limits\.(hashQueue|hashWait|headerBytes|connections))/

export interface Reloader {
  /** Reads the file now. Never rejects: what is wrong is logged with file, line and key, and changes nothing (B6). */
  reload(): Promise<'applied' | 'unchanged' | 'refused'>
  close(): void
}

export interface ReloaderDependencies extends FileFormat {
  /** Serves by the new configuration; throws and changes nothing when it cannot. */
  apply(config: Config): Promise<void>
  log: Log
}

/** Applies the file again whenever it changes, and when asked. One at a time; the last state of the file wins. */
export function createReloader(started: Config, { apply, log, ...format }: ReloaderDependencies): Reloader {
  const { file } = started
  let current = started
  let turn: Promise<unknown> = Promise.resolve()
  let timer: NodeJS.Timeout | undefined

  async function read(): Promise<'applied' | 'unchanged' | 'refused'> {
    try {
      const next = loadConfig(file, format)
      const changes = changesBetween(current, next, format)
      if (changes.length === 0) return 'unchanged'
      const fixed = changes.filter(({ key }) => FIXED.test(key)).map(({ key }) => key)
      if (fixed.includes('issuer')) throw new ConfigError('issuer', 'cannot change while the gateway runs', { file })
      await apply(next)
      if (fixed.length > 0) log.warn('some changes wait for a restart', { keys: fixed })
      log.info('the configuration was reloaded', { changes })
      current = next
      return 'applied'
    } catch (error) {
      log.error(messageOf(error))
      return 'refused'
    }
  }

  function reload(): Promise<'applied' | 'unchanged' | 'refused'> {
    const done = turn.then(read)
    turn = done
    return done
  }

  const watcher = watching(file, () => {
    clearTimeout(timer)
    timer = setTimeout(reload, SETTLES)
  })
  return {
    reload,
    close() {
      clearTimeout(timer)
      watcher?.close()
    },
  }
}

/** The folder, because editors put a new file in the place of the old one. */
function watching(file: string, changed: () => void): FSWatcher | undefined {
  if (file === '') return undefined
  const name = basename(file)
  return watch(dirname(file), { persistent: false }, (_event, touched) => {
    // Kubernetes and others swap a link in the same folder.
    if (touched === null || touched === name || touched.startsWith('..')) changed()
  })
}
