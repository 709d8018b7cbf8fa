import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Generator } from './generator.ts'
import type { Options } from './options.ts'
import type { Kind, Stores } from './subject.ts'

/** What `node --cpu-prof` writes (Chrome DevTools Protocol, Profiler.Profile); times are microseconds. */
interface CpuProfile {
  nodes: { id: number; callFrame: CallFrame; children?: number[] }[]
  samples: number[]
  timeDeltas: number[]
}

interface CallFrame {
  functionName: string
  url: string
  lineNumber: number
}

interface Profiling {
  stores: Record<Kind['name'], Stores>
  generator: Generator
  options: Options
}

const TOP = 40
const IDLE = new Set(['(idle)', '(program)', '(root)'])

/**
 * Where the main thread's time goes, without the hash: by package or folder, and by function. Start-up and compilation
 * included.
 */
export async function profileServers(kinds: Kind[], { stores, generator, options }: Profiling): Promise<void> {
  for (const kind of kinds) {
    const folder = mkdtempSync(join(tmpdir(), 'stepgate-profile-'))
    const server = await kind.start(stores[kind.name], { hash: 'none', profile: folder })
    const order = { crowd: kind.name, signIns: options.signIns }
    for (let round = 0; round < options.rounds; round++) {
      await generator.obey({ ...order, do: 'prepare' })
      const visit = { party: server.party, concurrency: options.concurrency, remember: false }
      await generator.obey({ ...order, do: 'sign-in', ...visit })
    }
    await server.stop()
    const [file] = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
    if (file === undefined) throw new Error('no profile was written')
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile
    process.stdout.write(describe(kind.name, profile, options.rounds * options.signIns))
    process.stderr.write(`bench: ${join(folder, file)}\n`)
  }
}

/**
 * Three views: each frame for itself, Node's own work charged to the package that called for it, and everything charged
 * to the code of ours that began it.
 */
function describe(name: string, profile: CpuProfile, signIns: number): string {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]))
  const parents = new Map(
    profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)),
  )
  const stackOf = (leaf: number): CallFrame[] => {
    const stack: CallFrame[] = []
    for (let id: number | undefined = leaf; id !== undefined; id = parents.get(id)) {
      const frame = frames.get(id)
      if (frame !== undefined) stack.push(frame)
    }
    return stack
  }
  const tables = {
    modules: new Map<string, number>(),
    'functions, each for itself': new Map<string, number>(),
    "functions, Node's own work charged to its caller": new Map<string, number>(),
    'what of ours it was done for': new Map<string, number>(),
  }
  let total = 0
  profile.samples.forEach((id, index) => {
    const stack = stackOf(id)
    const [leaf] = stack
    if (leaf === undefined || IDLE.has(leaf.functionName)) return
    const time = (profile.timeDeltas[index] ?? 0) / signIns
    total += time
    const caller = stack.find(({ url }) => url !== '' && !url.startsWith('node:')) ?? leaf
    const ours = stack.find(({ url }) => url.startsWith('file:') && !url.includes('/node_modules/')) ?? caller
    add(tables.modules, moduleOf(caller), time)
    add(tables['functions, each for itself'], labelOf(leaf), time)
    add(tables["functions, Node's own work charged to its caller"], labelOf(caller), time)
    add(tables['what of ours it was done for'], labelOf(ours), time)
  })
  const rows = (times: Map<string, number>): string =>
    [...times]
      .toSorted(([, left], [, right]) => right - left)
      .slice(0, TOP)
      .map(
        ([label, time]) =>
          `${time.toFixed(0).padStart(7)} ${((100 * time) / total).toFixed(1).padStart(5)} %  ${label}\n`,
      )
      .join('')
  const parts = Object.entries(tables).map(([title, times]) => `${title}\n${rows(times)}`)
  return `${name}: ${total.toFixed(0)} µs of the main thread per sign-in\n\n${parts.join('\n')}\n`
}

const labelOf = (frame: CallFrame): string => `${frame.functionName || '(anonymous)'} ${placeOf(frame)}`

function add(times: Map<string, number>, label: string, time: number): void {
  times.set(label, (times.get(label) ?? 0) + time)
}

/** `koa`, `node:crypto`, `src/provider`, `bench/baseline`, or the engine's own word such as `(garbage collector)`. */
function moduleOf({ url, functionName }: CallFrame): string {
  if (url === '') return functionName.startsWith('(') ? functionName : '(native)'
  const inside = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1]
  if (inside !== undefined) return inside
  return /\/((?:src|bench|bin)(?:\/[\w-]+)?)\/[^/]*$/.exec(url)?.[1] ?? url
}

function placeOf({ url, lineNumber }: CallFrame): string {
  if (url === '') return ''
  const short = /(?:.*\/node_modules\/|.*\/(?=(?:src|bench|bin)\/))(.*)$/.exec(url)?.[1] ?? url
  return `${short}:${lineNumber + 1}`
}
