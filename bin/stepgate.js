#!/usr/bin/env node
// Plain JavaScript that old versions can start: it finds the Node.js the gateway is made for and gets out of the way.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { availableParallelism, constants, cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const WANTED = 24
/** Set for the second start, so that a program which is too old as well ends here and not in a circle. */
const MARK = 'STEPGATE_SECOND_START'
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2', 'SIGQUIT']

// Hashing takes a thread per core; signing and file access must not wait behind it. Read when the pool is first used.
process.env.UV_THREADPOOL_SIZE ??= String((availableParallelism?.() ?? cpus().length) + 2)

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// Halves the start of a command. In our own folder: what others can write to must not become code of ours.
module.enableCompileCache?.(join(root, 'node_modules', '.cache', 'stepgate'))

const second = process.env[MARK] !== undefined
delete process.env[MARK]

if (Number.parseInt(process.versions.node, 10) >= WANTED) await import('../src/main.ts')
else startWith(second ? undefined : findNode())

/** The program npm installed beside this package, or beside one that depends on it. */
function findNode() {
  const names = [join('.bin', 'node')]
  if (process.platform === 'linux') names.unshift(join(`node-linux-${process.arch}`, 'bin', 'node'))
  let folder = root
  for (;;) {
    for (const name of names) {
      const program = join(folder, 'node_modules', name)
      if (existsSync(program)) return program
    }
    const parent = dirname(folder)
    if (parent === folder) return undefined
    folder = parent
  }
}

function startWith(program) {
  if (program === undefined) {
    fail(`Node.js ${WANTED} or newer is needed, this is ${process.versions.node}: install it, or run npm ci`)
    return
  }
  const child = spawn(program, process.argv.slice(1), { stdio: 'inherit', env: { ...process.env, [MARK]: '1' } })
  for (const signal of FORWARDED) process.on(signal, () => child.kill(signal))
  child.once('error', (error) => fail(`${program} does not start: ${error.message}`))
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
    // A signal that is blocked or without effect on this process: the number a shell would show.
    process.exitCode = 128 + (constants.signals[signal] ?? 0)
  })
}

function fail(reason) {
  process.stderr.write(`stepgate: ${reason}\n`)
  process.exitCode = 1
}
