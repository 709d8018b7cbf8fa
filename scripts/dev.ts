import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type FSWatcher, globSync, watch } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'

/**
 * `npm run dev`: the demo, started again whenever something in these folders changes. Its accounts, factors and
 * sessions are kept, so a page is looked at again by reloading it. `--config FILE` lays that file over the demo's
 * configuration.
 */
const FOLDERS = ['src', 'views', 'locales', 'demo']
/** Milliseconds of silence after a change: editors write a file in several steps, and a branch is many files. */
const SETTLED = 200

process.chdir(dirname(import.meta.dirname))
const { config } = parseArgs({ options: { config: { type: 'string' } } }).values

let child: ChildProcess
let timer: NodeJS.Timeout | undefined
let restarting = false
/** Somebody wants the end: nothing is started again. */
let ending = false

function start(): void {
  const given = config === undefined ? [] : ['--config', config]
  child = spawn(process.execPath, [join('demo', 'demo.ts'), '--keep', ...given], { stdio: 'inherit' })
  child.once('exit', (code) => {
    if (!restarting && !ending && code !== 0)
      console.error('\nIt ended. It is started again when a file changes; Ctrl-C ends this too.')
  })
}

async function restart(): Promise<void> {
  if (restarting || ending) return
  restarting = true
  await stop()
  restarting = false
  if (ending) return
  console.error('\nChanged: starting again')
  watchAll()
  start()
}

async function stop(): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

let watchers: FSWatcher[] = []

/** Folders, each by itself: a watched file is lost when an editor puts another one in its place. */
function watchAll(): void {
  for (const watcher of watchers) watcher.close()
  const folders = globSync(FOLDERS.map((folder) => `${folder}/**/`))
  watchers = folders.map((folder) => watch(folder, noteChange))
  if (config === undefined) return
  watchers.push(watch(dirname(config), (_, name) => void (name === basename(config) && noteChange())))
}

function noteChange(): void {
  clearTimeout(timer)
  timer = setTimeout(() => void restart(), SETTLED)
}

// The terminal's Ctrl-C reaches the demo as well, which ends by itself.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    ending = true
    void stop().then(() => process.exit(0))
  })
}
watchAll()
start()
