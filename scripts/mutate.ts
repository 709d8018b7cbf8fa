import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { isEquivalent, readEquivalents } from './mutate/equivalents.ts'
import { type Bench, judgeAlone, judgeTogether, type Undecided, type Verdict, type Verdicts } from './mutate/judge.ts'
import { draw, type Mutant, mutantsOf } from './mutate/mutants.ts'
import { observe } from './mutate/observation.ts'
import { type Judged, survivorText, tableOf } from './mutate/report.ts'
import { endRuns } from './mutate/test-run.ts'
import { copyTree, type Tree } from './mutate/tree.ts'

const USAGE =
  'usage: npm run mutate -- [--seed N] [--count N] [--only PATH]… [--mutant ID]… [--tests PART]… [--workers 1|2]'
const FOLDERS = ['src/mfa', 'src/provider', 'src/interactions', 'src/accounts', 'src/state']
/** Browsers are too slow to be asked about every line. */
const LEFT_OUT = /^test\/browser\//
const VERDICTS = 'node_modules/.cache/stepgate-mutate/verdicts.json'
/** Mutants that share the slow tests. */
const TOGETHER = 8
/** Others on the machine come first. */
const NICE = 15

interface Arguments {
  seed: number
  count: number
  only: readonly string[]
  mutant: readonly string[]
  tests: readonly string[]
  workers: number
}

/** Breaks the code line by line in a copy, and names what no test has noticed. */
async function main(): Promise<number> {
  const { seed, count, only, mutant, tests, workers } = readArguments()
  setPriority(NICE)
  const files = globSync(
    (only.length > 0 ? only : FOLDERS).map((path) => (path.endsWith('.ts') ? path : `${path}/**/*.ts`)),
  )
  const all = files.sort().flatMap((file) => mutantsOf(file, readFileSync(file, 'utf8')))
  const drawn = mutant.length > 0 ? chosen(all, mutant) : draw(all, { seed, count })
  // Before anything is copied: whoever interrupts it shall not have to clear up.
  const trees: Tree[] = []
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  process.once('exit', () => {
    endRuns()
    for (const tree of trees) tree.remove()
  })
  for (let worker = 0; worker < workers; worker++) trees.push(copyTree())
  const judged = await judgeAll(drawn, { trees, tests })
  const survivors = judged.filter(({ verdict }) => verdict.is === 'survivor')
  console.log(`\n${drawn.length} of ${all.length} mutants, seed ${seed}\n\n${tableOf(judged)}`)
  for (const survivor of survivors) console.log(`\n${survivorText(survivor)}`)
  return survivors.length === 0 ? 0 : 1
}

function chosen(all: readonly Mutant[], ids: readonly string[]): Mutant[] {
  const found = all.filter(({ id }) => ids.includes(id))
  if (found.length === ids.length) return found
  console.error(`No such mutant: ${ids.filter((id) => !found.some((mutant) => mutant.id === id)).join(', ')}`)
  process.exit(2)
}

async function judgeAll(
  drawn: readonly Mutant[],
  { trees, tests }: { trees: readonly Tree[]; tests: readonly string[] },
): Promise<Judged[]> {
  const [first] = trees
  if (first === undefined) return []
  const testFiles = globSync('test/**/*.test.ts')
    .filter((file) => !LEFT_OUT.test(file) && (tests.length === 0 || tests.some((part) => file.includes(part))))
    .sort()
  const observations = await observe(testFiles, first)
  for (const { file, passed } of observations) if (!passed) console.log(`left out, it fails by itself: ${file}`)
  const shared = {
    observations: observations.filter(({ passed }) => passed),
    verdicts: readVerdicts(),
    kills: new Map(),
  }
  const benches = trees.map((tree): Bench => ({ ...shared, tree }))
  const judged = new Map<Mutant, Judged['verdict']>()
  const note = (mutant: Mutant, verdict: Judged['verdict']): void => {
    judged.set(mutant, verdict)
    const by = verdict.is === 'killed' ? ` by ${verdict.by}: ${verdict.title ?? 'no test said so'}` : ''
    console.log(`${judged.size} of ${drawn.length} ${verdict.is}: ${mutant.id}${by}`)
  }
  const undecided: Undecided[] = []
  const equivalents = readEquivalents()
  await shareOut(drawn, benches, async (mutant, bench) => {
    const verdict = isEquivalent(mutant, equivalents)
      ? ({ is: 'equivalent' } as const)
      : await judgeAlone(mutant, bench)
    if ('is' in verdict) note(mutant, verdict)
    else undecided.push(verdict)
  })
  await shareOut(togetherOf(undecided), benches, async (group, bench) => {
    for (const [mutant, verdict] of await judgeTogether(group, bench)) note(mutant, verdict)
  })
  return drawn.flatMap((mutant) => {
    const verdict = judged.get(mutant)
    return verdict === undefined ? [] : [{ mutant, verdict }]
  })
}

/** Each piece of work is done by whoever of them is free. */
async function shareOut<T>(
  work: readonly T[],
  benches: readonly Bench[],
  act: (piece: T, bench: Bench) => Promise<void>,
): Promise<void> {
  const left = work.values()
  await Promise.all(
    benches.map(async (bench) => {
      for (const piece of left) await act(piece, bench)
    }),
  )
}

/** Groups in which every file is broken once at most. */
function togetherOf(undecided: readonly Undecided[]): Undecided[][] {
  const groups: Undecided[][] = []
  for (const entry of undecided) {
    const fits = (group: Undecided[]): boolean =>
      group.length < TOGETHER && !group.some(({ mutant }) => mutant.file === entry.mutant.file)
    const group = groups.find(fits)
    if (group === undefined) groups.push([entry])
    else group.push(entry)
  }
  return groups
}

/** In a file, so that a run that was interrupted goes on, and a second one looks only at what has changed. */
function readVerdicts(): Verdicts {
  const known = new Map<string, Verdict>(readJson(VERDICTS))
  return {
    get: (key) => known.get(key),
    set(key, verdict) {
      known.set(key, verdict)
      mkdirSync(dirname(VERDICTS), { recursive: true })
      writeFileSync(VERDICTS, JSON.stringify([...known]))
    },
  }
}

function readJson(file: string): [string, Verdict][] {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as [string, Verdict][]
  } catch {
    return []
  }
}

function readArguments(): Arguments {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string', default: '1' },
        count: { type: 'string', default: '100' },
        only: { type: 'string', multiple: true, default: [] },
        mutant: { type: 'string', multiple: true, default: [] },
        tests: { type: 'string', multiple: true, default: [] },
        workers: { type: 'string', default: '1' },
      },
    })
    const [seed, count, workers] = [Number(values.seed), Number(values.count), Number(values.workers)]
    if (![seed, count].every(Number.isInteger) || ![1, 2].includes(workers)) throw new Error('a number is wrong')
    return { seed, count, only: values.only, mutant: values.mutant, tests: values.tests, workers }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`)
    process.exit(2)
  }
}

process.chdir(dirname(import.meta.dirname))
process.exitCode = await main()
