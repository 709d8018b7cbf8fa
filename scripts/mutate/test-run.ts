import { spawn } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

export interface TestRun {
  /** `late`: it had not ended in time. */
  outcome: 'passed' | 'failed' | 'late'
  /** Of the first test that failed. */
  title: string | undefined
  seconds: number
}

export interface TestRunOptions {
  /** A copy of the repository. */
  folder: string
  /** Milliseconds. */
  timeout: number
  env?: Readonly<Record<string, string>>
}

const FAILED = /^ *not ok \d+(?: - (.*?))?(?: # .*)?$/
const EXPECTED = /# (?:TODO|SKIP)\b/

/** Groups of processes that this one has started and not ended yet. */
const running = new Set<number>()

/** Ends what still runs: for the end of this process. */
export function endRuns(): void {
  for (const pid of running) endGroup(pid)
}

/** Runs one test file until its first failure. */
export async function runTestFile(file: string, { folder, timeout, env = {} }: TestRunOptions): Promise<TestRun> {
  const started = performance.now()
  // A group of its own, so that commands which a test has started end with it.
  const child = spawn(process.execPath, ['--test-reporter=tap', file], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: {
      ...process.env,
      STEPGATE_TEST_LENGTH: 'usual',
      UV_THREADPOOL_SIZE: `${availableParallelism() + 2}`,
      TMPDIR: join(folder, 'tmp'),
      ...env,
    },
  })
  if (child.pid !== undefined) running.add(child.pid)
  const { promise, resolve } = Promise.withResolvers<Omit<TestRun, 'seconds'>>()
  const late = setTimeout(() => resolve({ outcome: 'late', title: undefined }), timeout)
  let rest = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    const failed = lines.find((line) => FAILED.test(line) && !EXPECTED.test(line))
    if (failed !== undefined) resolve({ outcome: 'failed', title: FAILED.exec(failed)?.[1] })
  })
  child.once('error', () => resolve({ outcome: 'failed', title: undefined }))
  child.once('close', (code) => resolve({ outcome: code === 0 ? 'passed' : 'failed', title: undefined }))
  const run = await promise
  clearTimeout(late)
  if (child.pid !== undefined) {
    if (child.exitCode === null && child.signalCode === null) endGroup(child.pid)
    running.delete(child.pid)
  }
  return { ...run, seconds: (performance.now() - started) / 1000 }
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It ended by itself in this moment.
  }
}
