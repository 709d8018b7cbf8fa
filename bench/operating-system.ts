import { readdirSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** Linux counts in hundredths of a second for user programs (USER_HZ), whatever the kernel's own tick is. */
const TICK = 10
const UTIME = 11
const STIME = 12

/** Milliseconds of CPU, user and system, that a process, all its threads and its live children have used so far. */
export function cpuOf(pid: number): number {
  return tree(pid).reduce((sum, each) => sum + ownCpu(each), 0)
}

function ownCpu(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name in brackets and may hold spaces.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[UTIME]) + Number(fields[STIME])) * TICK
}

/**
 * Milliseconds that its threads wanted to run and had no core: what is done elsewhere on the machine (schedstat, second
 * field).
 */
export function waitOf(pid: number): number {
  const threads = tree(pid).flatMap((each) => readdirSync(`/proc/${each}/task`).map((id) => `/proc/${each}/task/${id}`))
  return threads.reduce((sum, thread) => {
    const [, nanoseconds] = readFileSync(`${thread}/schedstat`, 'utf8').split(' ')
    return sum + Number(nanoseconds) / 1e6
  }, 0)
}

export interface Memory {
  /** Megabytes (2^20 bytes) in RAM now, and the most there ever was. */
  now: number
  peak: number
}

export function memoryOf(pid: number): Memory {
  const all = tree(pid).map((each) => {
    const text = readFileSync(`/proc/${each}/status`, 'utf8')
    return { now: kilobytes('VmRSS', text), peak: kilobytes('VmHWM', text) }
  })
  const sum = (of: (memory: Memory) => number): number => all.reduce((total, each) => total + of(each), 0) / 1024
  return { now: sum(({ now }) => now), peak: sum(({ peak }) => peak) }
}

function kilobytes(name: string, status: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0)
}

function tree(pid: number): number[] {
  const threads = readdirSync(`/proc/${pid}/task`)
  const children = threads.flatMap((thread) => {
    return readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  })
  return [pid, ...children.flatMap(tree)]
}

/** What a figure depends on and a reader has to know. */
export function machine(): Record<string, string | number> {
  const [first] = cpus()
  return {
    cpu: first?.model ?? 'unknown',
    cores: cpus().length,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  }
}
