import cluster, { type Worker } from 'node:cluster'
import { MINUTE, SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { CommandError } from './failure.ts'

const FIRST_WAIT = SECOND
const LONGEST_WAIT = 30 * SECOND
/** After a worker that ran for longer than this, the wait before a restart is the first one again. */
const SETTLED = MINUTE

/**
 * Keeps `count` workers running until a signal asks for the end; every worker gets that signal. One that dies is
 * replaced, each time after a longer wait. Throws when a worker exits by itself before all of them listen for the first
 * time: it has printed why.
 */
export function superviseWorkers(options: { count: number }, dependencies: { log: Log }): Promise<void> {
  const { log } = dependencies
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const startedAt = new Map<Worker, number>()
  const listening = new Set<Worker>()
  let ending = false
  let failed = false
  let up = false
  let wait = FIRST_WAIT

  function start(): void {
    if (ending) return
    startedAt.set(cluster.fork(), performance.now())
  }

  function end(signal: NodeJS.Signals): void {
    ending = true
    for (const worker of startedAt.keys()) worker.process.kill(signal)
    if (startedAt.size === 0) settle()
  }

  function settle(): void {
    if (failed) reject(new CommandError('a worker did not start'))
    else resolve()
  }

  function replace(ran: number): void {
    if (ran > SETTLED) wait = FIRST_WAIT
    log.error('a worker died and is started again', { afterMilliseconds: wait })
    setTimeout(start, wait)
    wait = Math.min(2 * wait, LONGEST_WAIT)
  }

  cluster.on('listening', (worker) => {
    listening.add(worker)
    up ||= listening.size === options.count
  })
  cluster.on('exit', (worker, _status, signal: string | null) => {
    const ran = performance.now() - (startedAt.get(worker) ?? 0)
    startedAt.delete(worker)
    listening.delete(worker)
    if (ending) {
      if (startedAt.size === 0) settle()
    } else if (up || signal !== null) {
      replace(ran)
    } else {
      failed = true
      end('SIGTERM')
    }
  })
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => end(signal))
  process.on('SIGHUP', () => {
    for (const worker of listening) worker.process.kill('SIGHUP')
  })
  for (let number = 0; number < options.count; number++) start()
  return promise
}
