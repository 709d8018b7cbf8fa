import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { stringify } from 'yaml'

/** A commit of this repository in a folder of its own, with the packages it needs. */
export interface PastProgram {
  bin: string
  remove(): void
}

export function checkOut(commit: string): PastProgram {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-past-'))
  const archive = execFileSync('git', ['archive', '--format=tar', commit], { maxBuffer: 2 ** 30 })
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  if (hasPackagesOf(readFileSync(join(folder, 'package.json'), 'utf8')))
    symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'))
  else execFileSync('npm', ['ci'], { cwd: folder, stdio: 'inherit' })
  return {
    bin: join(folder, 'bin', 'stepgate.js'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** Whether the packages installed here are those that a program with this `package.json` runs on. */
export function hasPackagesOf(packageJson: string): boolean {
  const { dependencies } = JSON.parse(packageJson) as { dependencies: Record<string, string> }
  return Object.entries(dependencies).every(([name, version]) => installedVersion(name) === version)
}

function installedVersion(name: string): string | undefined {
  const file = join('node_modules', name, 'package.json')
  if (!existsSync(file)) return undefined
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

/** An installation of a past program: its file, its data folder and the commands that work on them. */
export interface PastInstallation {
  readonly dataDir: string
  /** `stepgate --json …` to its end; what it printed. Throws when it fails. */
  run(given: readonly string[], input?: string): Promise<string>
  /** Runs the gateway with these keys laid over the file. */
  serve(more?: Record<string, unknown>): Promise<PastGateway>
  remove(): void
}

export interface PastGateway {
  /** The first line of the log so far, or printed later, that fits. */
  line(pattern: RegExp): Promise<string>
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

/** `config`: in the file's form. */
export function createInstallation(bin: string, config: Record<string, unknown>): PastInstallation {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-installation-'))
  const dataDir = join(folder, 'data')
  mkdirSync(dataDir, { mode: 0o700 })
  const start = (given: readonly string[], more: Record<string, unknown> = {}): ChildProcess => {
    const file = join(folder, 'stepgate.yaml')
    writeFileSync(file, stringify({ ...config, ...more }), { mode: 0o600 })
    return spawn(process.execPath, [bin, '--config', file, '--json', ...given], { cwd: folder, stdio: 'pipe' })
  }

  return {
    dataDir,
    async run(given, input = '') {
      const child = start(given)
      child.stdin?.end(input)
      const [output, problem] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'close')])
      if (child.exitCode !== 0) throw new Error(`stepgate ${given.join(' ')}: ${problem}`)
      return output
    },
    async serve(more) {
      const gateway = watch(start(['serve'], more))
      await gateway.line(/the gateway listens/)
      return gateway
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

const textOf = (stream: ChildProcess['stdout']): Promise<string> =>
  stream === null ? Promise.resolve('') : text(stream)

const PATIENCE = 20_000

function watch(child: ChildProcess): PastGateway {
  let output = ''
  const waiting = new Set<() => void>()
  const hear = (part: string): void => {
    output += part
    for (const look of waiting) look()
  }
  child.stdout?.setEncoding('utf8').on('data', hear)
  child.stderr?.setEncoding('utf8').on('data', hear)
  child.once('exit', () => hear('\nthe gateway has ended\n'))
  return {
    line(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<string>()
      const timer = setTimeout(() => reject(new Error(`nothing like ${pattern} in ${output}`)), PATIENCE)
      const look = (): void => {
        const found = output.split('\n').find((line) => pattern.test(line))
        if (found !== undefined) resolve(found)
        else if (child.exitCode !== null) reject(new Error(`the gateway ended: ${output}`))
      }
      waiting.add(look)
      look()
      return promise.finally(() => {
        clearTimeout(timer)
        waiting.delete(look)
      })
    },
    async end(signal) {
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    },
  }
}
