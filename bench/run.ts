import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { hash } from '@node-rs/argon2'
import { type PostgresService, type RedisService, startPostgres, startRedis } from '../test/harness/services.ts'
import { baseline } from './baseline.ts'
import { type Footprint, measureFootprint } from './footprint.ts'
import { type Generator, startGenerator, startHashProcess } from './generator.ts'
import { type Memory, machine, memoryOf } from './operating-system.ts'
import { type Options, readOptions, USAGE } from './options.ts'
import { profileServers } from './profile.ts'
import { reloadUnderLoad } from './reload.ts'
import { type ContestantName, type Measured, summarize, tableOf } from './report.ts'
import { type Contestant, type Round, runRound } from './rounds.ts'
import { PASSWORD, type ServerProcess } from './server-process.ts'
import type { Kind, Stores } from './subject.ts'

/** What everybody's servers use: argon2id as the gateway's own defaults have it. */
const HASH = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
const RESULTS = fileURLToPath(new URL('results', import.meta.url))
/** How long a started server is left alone before its idle memory is read. */
const IDLE = 5000

interface Ground {
  redis: RedisService
  postgres: PostgresService
  folder: string
  generator: Generator
  passwordHash: string
}

async function main(options: Options): Promise<void> {
  const ground = await prepareGround()
  try {
    const kinds = await kindsFor(options)
    const stores = { gateway: await storesOf(ground, 0), baseline: await storesOf(ground, 1) }
    for (const kind of kinds) await enrol(kind, stores[kind.name], { ground, options })
    if (options.reload) return await reload(stores.gateway, ground.generator, options)
    if (options.profile) return await profileServers(kinds, { stores, generator: ground.generator, options })
    const measured = await measure(kinds, { stores, ground, options })
    const result = { measuredAt: new Date().toISOString(), machine: machine(), options, ...summarize(measured) }
    process.stdout.write(tableOf(result))
    process.stdout.write(`\n${writeResult(result)}\n`)
  } finally {
    ground.generator.stop()
    await Promise.all([ground.redis.stop(), ground.postgres.stop()])
    rmSync(ground.folder, { recursive: true, force: true })
  }
}

async function reload(stores: Stores, generator: Generator, options: Options): Promise<void> {
  const { lines, ok, ...outcome } = await reloadUnderLoad(stores, { generator, options, say })
  const result = { measuredAt: new Date().toISOString(), machine: machine(), options, ...outcome }
  process.stdout.write(`${lines.join('\n')}\n\n${writeResult(result, 'reload')}\n`)
  if (!ok) process.exitCode = 1
}

async function prepareGround(): Promise<Ground> {
  const [redis, postgres] = await Promise.all([startRedis(), startPostgres()])
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-bench-'))
  return { redis, postgres, folder, generator: startGenerator(), passwordHash: await hash(PASSWORD, HASH) }
}

/** With `--self` a second baseline stands where the gateway would. */
async function kindsFor({ self, reload }: Options): Promise<Kind[]> {
  if (self) return [{ ...baseline, name: 'gateway' }, baseline]
  const { gateway } = await import('./gateway.ts')
  return reload ? [gateway] : [gateway, baseline]
}

async function storesOf(ground: Ground, database: number): Promise<Stores> {
  const folder = mkdtempSync(join(ground.folder, 'store-'))
  const redis = `redis://127.0.0.1:${ground.redis.port}/${database}`
  return { redis, postgres: await ground.postgres.createDatabase(), folder }
}

/** Accounts, and one sign-in of each: where the server binds apps, that is when everybody gets one. */
async function enrol(
  kind: Kind,
  stores: Stores,
  { ground, options }: { ground: Ground; options: Options },
): Promise<void> {
  say(`${kind.name}: ${options.accounts} accounts`)
  const { generator, passwordHash } = ground
  const members = await kind.enrol(stores, { accounts: options.accounts, passwordHash })
  await generator.obey({ do: 'meet', crowd: kind.name, members })
  const server = await kind.start(stores, { hash: 'none' })
  const order = { crowd: kind.name, signIns: members.length }
  const visit = { party: server.party, concurrency: options.concurrency, remember: false }
  await generator.obey({ ...order, do: 'sign-in', ...visit })
  await server.stop()
}

interface Measuring {
  stores: Record<Kind['name'], Stores>
  ground: Ground
  options: Options
}

async function measure(kinds: Kind[], { stores, ground, options }: Measuring): Promise<Measured> {
  const { generator, passwordHash } = ground
  const footprints: Partial<Record<Kind['name'], Footprint>> = {}
  for (const kind of kinds) {
    say(`${kind.name}: Redis`)
    footprints[kind.name] = await measureFootprint(kind, stores[kind.name], generator)
  }
  const servers = new Map<ContestantName, ServerProcess>()
  const hashProcess = startHashProcess({ hash: passwordHash, password: PASSWORD, concurrency: availableParallelism() })
  try {
    for (const hash of ['none', 'real'] as const) {
      for (const kind of kinds) servers.set(nameOf(kind, hash), await kind.start(stores[kind.name], { hash }))
    }
    await pause(IDLE)
    const idle = memoryOfAll(servers)
    const contestants = Object.fromEntries(
      [...servers].map(([name, server]) => [
        name,
        { crowd: name.startsWith('gateway') ? 'gateway' : 'baseline', server },
      ]),
    ) as Record<ContestantName, Contestant>
    const field = { contestants, generator, hashProcess, redisPid: ground.redis.pid }
    const { concurrency, signIns } = options
    await warmUp(contestants, generator, options)
    const rounds: Round<ContestantName>[] = []
    for (let number = 0; number < options.rounds; number++) {
      say(`round ${number + 1} of ${options.rounds}`)
      rounds.push(await runRound(field, { signIns, concurrency, number }))
    }
    return { rounds, footprints, idle, loaded: memoryOfAll(servers) }
  } finally {
    hashProcess.stop()
    await Promise.all([...servers.values()].map((server) => server.stop()))
  }
}

const nameOf = (kind: Kind, hash: 'real' | 'none'): ContestantName =>
  hash === 'real' ? kind.name : `${kind.name}WithoutHash`

function memoryOfAll(servers: Map<ContestantName, ServerProcess>): Record<ContestantName, Memory> {
  const all = [...servers].map(([name, { pid }]) => [name, memoryOf(pid)])
  return Object.fromEntries(all) as Record<ContestantName, Memory>
}

async function warmUp(
  contestants: Record<ContestantName, Contestant>,
  generator: Generator,
  { warmUp: signIns, concurrency }: Options,
): Promise<void> {
  say('warm-up')
  for (const { crowd, server } of Object.values(contestants)) {
    await generator.obey({ do: 'prepare', crowd, signIns })
    await generator.obey({ do: 'sign-in', crowd, party: server.party, signIns, concurrency, remember: false })
  }
}

function writeResult(result: { measuredAt: string }, mode?: string): string {
  mkdirSync(RESULTS, { recursive: true })
  const name = [result.measuredAt.slice(0, 16).replace(/[:T]/g, '-'), mode].filter(Boolean).join('-')
  const file = join(RESULTS, `${name}.json`)
  writeFileSync(file, `${JSON.stringify(result, undefined, 2)}\n`)
  return file
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`)
}

function optionsOrUsage(): Options | undefined {
  try {
    return readOptions(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : error}\nusage: ${USAGE}\n`)
    return undefined
  }
}

const options = optionsOrUsage()
if (options === undefined) process.exitCode = 2
else await main(options)
