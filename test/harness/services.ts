import { type ChildProcess, type ExecFileSyncOptions, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  accessSync,
  chownSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'

/** How to find a program that is not ours, and what to install on Debian when it is missing. */
export interface Program {
  name: string
  /** Absolute; undefined when the program is not installed. */
  path: string | undefined
  debianPackage: string
}

const DEBIAN: Record<string, { package: string; folders?: () => string[] }> = {
  'redis-server': { package: 'redis-server' },
  postgres: { package: 'postgresql', folders: postgresFolders },
  initdb: { package: 'postgresql', folders: postgresFolders },
  openssl: { package: 'openssl' },
  'chromium-headless-shell': { package: 'chromium-headless-shell' },
  apache2: { package: 'apache2', folders: () => ['/usr/sbin'] },
  'mod_auth_openidc.so': { package: 'libapache2-mod-auth-openidc', folders: () => ['/usr/lib/apache2/modules'] },
}

/** Newest first: Debian keeps each major version in its own folder, outside PATH. */
function postgresFolders(): string[] {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a))
  return versions.map((version) => join(root, version, 'bin'))
}

/** Whether a service's program is on this machine. Throws for a program that no test of ours uses. */
export function available(name: string): Program {
  const known = DEBIAN[name]
  if (known === undefined) throw new Error(`no test uses the program ${name}`)
  const folders = [...(known.folders?.() ?? []), ...(process.env.PATH ?? '').split(delimiter)]
  const path = folders.map((folder) => join(folder, name)).find(readable)
  return { name, path, debianPackage: known.package }
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

export function pathOf(name: string): string {
  const program = available(name)
  if (program.path === undefined) throw new Error(`${name} is missing: apt-get install ${program.debianPackage}`)
  return program.path
}

/** A TCP port of the loopback interface that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

export interface RedisService {
  readonly url: string
  readonly port: number
  /** Of the process that runs now; another one after `restart`. */
  readonly pid: number
  /** Ends it for good and removes its folder. */
  stop(): Promise<void>
  /** SIGKILL: the outage, with everything that was not on disk lost. */
  kill(): Promise<void>
  /** Starts it again on the same port, after `kill` or while it runs. */
  restart(): Promise<void>
  /** What redis-cli prints for a command, such as `command('config', 'set', 'maxmemory', '1')`. */
  command(...given: string[]): Promise<string>
}

export interface RedisOptions {
  /** `disk` keeps what was written over `kill` and `restart`; default `memory`. */
  keep?: 'disk' | 'memory'
  /** More arguments of redis-server, such as `['--maxmemory', '2mb']`; they win over ours. */
  arguments?: string[]
}

/** A Redis of its own on a free loopback port, with `noeviction`. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisService> {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-redis-'))
  const guard = guardFolder(folder)
  const durability =
    options.keep === 'disk' ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']
  const start = (port: number): Promise<ChildProcess> => {
    const address = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder, '--save', '']
    const given = [...address, ...durability, '--maxmemory-policy', 'noeviction', ...(options.arguments ?? [])]
    return launch({ program: pathOf('redis-server'), given, folder, ready: 'Ready to accept connections', guard })
  }
  const { child: first, port } = await onFreePort(start)
  let child = first
  return {
    url: `redis://127.0.0.1:${port}/0`,
    port,
    get pid() {
      return pidOf(child)
    },
    async stop() {
      await end(child, 'SIGKILL')
      guard.release()
    },
    kill: () => end(child, 'SIGKILL'),
    async restart() {
      await end(child, 'SIGKILL')
      child = await start(port)
    },
    async command(...given) {
      const { stdout } = await promisify(execFile)('redis-cli', ['-p', `${port}`, ...given])
      return stdout.trimEnd()
    },
  }
}

export interface SentinelService {
  readonly url: string
  readonly pid: number
  stop(): Promise<void>
}

/** One sentinel that watches `master` under the name `main` and decides alone. */
export async function startSentinel(master: RedisService): Promise<SentinelService> {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-sentinel-'))
  const guard = guardFolder(folder)
  const file = join(folder, 'sentinel.conf')
  const { child, port } = await onFreePort((candidate) => {
    const monitor = `sentinel monitor main 127.0.0.1 ${master.port} 1`
    writeFileSync(file, `port ${candidate}\nbind 127.0.0.1\ndir ${folder}\n${monitor}\n`)
    return launch({
      program: pathOf('redis-server'),
      given: [file, '--sentinel'],
      folder,
      ready: '+monitor master',
      guard,
    })
  })
  return {
    url: `redis+sentinel://127.0.0.1:${port}/main/0`,
    pid: pidOf(child),
    async stop() {
      await end(child, 'SIGKILL')
      guard.release()
    },
  }
}

export interface PostgresService {
  /** Of the database `postgres`; tests use one of their own. */
  readonly url: string
  readonly port: number
  /** Of the postmaster that runs now; another one after `restart`. */
  readonly pid: number
  stop(): Promise<void>
  /** Ends it at once, as a crash would; what was committed is there after `restart`. */
  kill(): Promise<void>
  /** Starts it again on the same port, after `kill` or while it runs. */
  restart(): Promise<void>
  /** A new, empty database; answers its URL. */
  createDatabase(): Promise<string>
}

/** A PostgreSQL of its own on a free loopback port, without passwords and without fsync. */
export async function startPostgres(): Promise<PostgresService> {
  const owner = postgresOwner()
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-postgres-'))
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid ?? owner.uid)
  const guard = guardFolder(folder)
  const cluster = join(folder, 'cluster')
  execFileSync('cp', ['-a', postgresTemplate(owner), cluster])
  const start = (candidate: number): Promise<ChildProcess> => {
    const settings = { port: candidate, listen_addresses: '127.0.0.1', unix_socket_directories: folder, ...FAST }
    const given = ['-D', cluster, ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
    const ready = 'ready to accept connections'
    return launch({ program: pathOf('postgres'), given, folder, ready, guard, owner })
  }
  const { child: first, port } = await onFreePort(start)
  let child = first
  // SIGQUIT, not SIGKILL: the postmaster takes its children and its shared memory along.
  const kill = (): Promise<void> => end(child, 'SIGQUIT')
  const urlOf = (database: string): string => `postgres://stepgate@127.0.0.1:${port}/${database}`
  let databases = 0
  return {
    url: urlOf('postgres'),
    port,
    get pid() {
      return pidOf(child)
    },
    async stop() {
      await kill()
      guard.release()
    },
    kill,
    async restart() {
      await kill()
      child = await start(port)
    },
    async createDatabase() {
      const name = `test_${++databases}`
      const client = new pg.Client({ connectionString: urlOf('postgres') })
      await client.connect()
      try {
        await client.query(`create database ${name}`)
      } finally {
        await client.end()
      }
      return urlOf(name)
    },
  }
}

// Without fsync a commit still reaches the system, which `kill` leaves alone; `synchronous_commit` off would lose it.
const FAST = {
  fsync: 'off',
  full_page_writes: 'off',
  autovacuum: 'off',
  // In the folder of the cluster, with which it goes: a server that has to be killed would leave it behind elsewhere.
  dynamic_shared_memory_type: 'mmap',
}

interface Owner {
  uid?: number
  gid?: number
}

/** PostgreSQL refuses to run as root; the Debian package made a user for it. */
function postgresOwner(): Owner {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** A fresh cluster to copy: initdb costs seconds and every test file is a process of its own. */
function postgresTemplate(owner: Owner): string {
  const initdb = pathOf('initdb')
  const version = execFileSync(initdb, ['--version'], { encoding: 'utf8' }).replace(/[^0-9.]+/g, '-')
  const template = join(tmpdir(), `stepgate-cluster${version}${userInfo().uid}`)
  if (existsSync(template)) return template
  const attempt = mkdtempSync(`${template}-`)
  if (owner.uid !== undefined) chownSync(attempt, owner.uid, owner.gid ?? owner.uid)
  const options: ExecFileSyncOptions = { ...owner, cwd: attempt, stdio: ['pipe', 'ignore', 'pipe'] }
  const given = ['-D', attempt, '-U', 'stepgate', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync']
  try {
    execFileSync(initdb, [...given, '--wal-segsize=1'], options)
    // What nobody copies from need not be copied: a third of the files.
    const input = "update pg_database set datistemplate = false where datname = 'template0'\ndrop database template0\n"
    execFileSync(pathOf('postgres'), ['--single', '-D', attempt, 'template1'], { ...options, input })
    renameSync(attempt, template)
  } catch (error) {
    rmSync(attempt, { recursive: true, force: true })
    // Somebody else's template may have got there first: a rename onto a full folder fails.
    if (!existsSync(template)) throw error
  }
  return template
}

/** Another process can take a free port before the service has it: then the next one. */
async function onFreePort(
  start: (port: number) => Promise<ChildProcess>,
): Promise<{ child: ChildProcess; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    try {
      return { child: await start(port), port }
    } catch (error) {
      if (attempt === 3) throw error
    }
  }
}

export interface Guard {
  /** The process to end; `none` once it has ended, because its number may then be somebody else's. */
  watch(pid: number | 'none'): void
  /** For a service that has ended: removes the folder now. */
  release(): void
}

/**
 * A shell that outlives the test process, however that ends, SIGKILL included: when its standard input closes, it ends
 * the service it was told of and removes the folder.
 */
export function guardFolder(folder: string): Guard {
  const script = `
    pid=; while read -r line; do pid=$line; done
    [ -n "$pid" ] && kill -QUIT "$pid" && for turn in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$pid" || break; sleep 0.2; done
    [ -n "$pid" ] && kill -KILL "$pid"
    rm -rf "$1"`
  const shell = spawn('/bin/sh', ['-c', script, 'guard', folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  shell.unref()
  const input = shell.stdin as Socket
  input.unref()
  return {
    watch: (pid) => void input.write(`${pid === 'none' ? '' : pid}\n`),
    release() {
      shell.kill('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface Launch {
  program: string
  given: string[]
  folder: string
  /** What the service prints once it serves. */
  ready: string
  guard: Guard
  owner?: Owner
}

function launch({ program, given, folder, ready, guard, owner = {} }: Launch): Promise<ChildProcess> {
  const environment = { ...process.env, LC_ALL: 'C' }
  const child = spawn(program, given, { ...owner, cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>()
  let output = ''
  const listen = (text: string): void => {
    output += text
    if (output.includes(ready)) resolve(child)
  }
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', listen)
  child.once('error', reject)
  child.once('exit', () => {
    guard.watch('none')
    reject(new Error(`${program} did not start: ${output}`))
  })
  child.once('spawn', () => guard.watch(pidOf(child)))
  return promise.finally(() => {
    // A test that forgets to stop its service still ends.
    child.unref()
    for (const stream of [child.stdout, child.stderr]) {
      stream.off('data', listen)
      stream.resume()
      ;(stream as Socket).unref()
    }
  })
}

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.ref()
  const exit = once(child, 'exit')
  child.kill(signal)
  await exit
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('the service did not start')
  return child.pid
}
