import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'

export const BIN = join(import.meta.dirname, '..', '..', 'bin', 'stepgate.js')

export interface Outcome {
  status: number | null
  stdout: string
  stderr: string
  /** Standard output, parsed. */
  json: unknown
}

interface RunOptions {
  /** Standard input; none by default. */
  input?: string
  env?: Record<string, string>
  /** Leaves `--config` out. */
  anyConfig?: true
  /** Another program than the Node.js of this process. */
  node?: string
}

/** The commands of the product on a folder with a configuration and embedded stores of its own. */
export interface CommandLine {
  folder: string
  file: string
  /** `stepgate --config FILE …`, to its end. */
  run(given: readonly string[], options?: RunOptions): Promise<Outcome>
  /** The same while it runs. */
  start(given: readonly string[], options?: RunOptions): ChildProcess
  /** Writes the configuration anew. */
  configure(yaml: string): void
  readConfig(): string
  remove(): void
}

export const CONFIG = `issuer: http://127.0.0.1:3000
mfa: { enabled: true, methods: [totp] }
`

export function createCommandLine(yaml = CONFIG): CommandLine {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-cli-'))
  const file = join(folder, 'stepgate.yaml')
  writeFileSync(file, yaml, { mode: 0o600 })
  const start = (
    given: readonly string[],
    { input, env = {}, node = process.execPath, anyConfig }: RunOptions = {},
  ): ChildProcess => {
    const configuration = anyConfig === true ? [] : ['--config', file]
    const child = spawn(node, [BIN, ...configuration, ...given], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input ?? '')
    return child
  }
  return {
    folder,
    file,
    start,
    run: (given, options) => outcomeOf(start(given, options)),
    configure: (text) => writeFileSync(file, text, { mode: 0o600 }),
    readConfig: () => readFileSync(file, 'utf8'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export async function outcomeOf(child: ChildProcess): Promise<Outcome> {
  if (child.stdout === null || child.stderr === null) throw new Error('its output is not piped')
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  return {
    status: child.exitCode,
    stdout,
    stderr,
    get json() {
      return JSON.parse(stdout) as unknown
    },
  }
}

/** A Node.js below 24 on this machine, outside `node_modules`; undefined when there is none. */
export function olderNode(): string | undefined {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
  const programs = folders.map((folder) => join(folder, 'node')).filter((program) => existsSync(program))
  return programs.find((program) => {
    const version = execFileSync(program, ['--version'], { encoding: 'utf8' })
    return Number.parseInt(version.slice(1), 10) < 24
  })
}
