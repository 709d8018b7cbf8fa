import { createHash } from 'node:crypto'
import { sees } from './coverage.ts'
import type { Mutant } from './mutants.ts'
import type { Observation } from './observation.ts'
import { runTestFile, type TestRun } from './test-run.ts'
import type { Tree } from './tree.ts'

export type Verdict =
  /** `by`: the test file that failed; `title` of the test, where one said so. */
  | { is: 'killed'; by: string; title: string | undefined }
  /** `seen`: how many test files run the place. */
  | { is: 'survivor'; seen: number }

/** What was found out before, by what it depends on. */
export interface Verdicts {
  get(key: string): Verdict | undefined
  set(key: string, verdict: Verdict): void
}

export interface Bench {
  tree: Tree
  observations: readonly Observation[]
  verdicts: Verdicts
  /** By file, the test files that have killed a mutant of it, and how often. */
  kills: Map<string, Map<string, number>>
}

/** A mutant that no test has noticed so far, and the test files that have not had their turn. */
export interface Undecided {
  mutant: Mutant
  left: Observation[]
}

/** A broken program may be slow; so long a test file has, in milliseconds, before it counts as hanging. */
const PATIENCE = { times: 4, more: 30_000 }
/** Seconds by which a test file that has killed a mutant of the same file before counts as quicker. */
const HEAD_START = 10
/** Seconds that a mutant gets for itself; the tests that remain are run for several together. */
const ALONE = 20

/** Runs test files that see the place, the quickest first, until one fails or their time is over. */
export async function judgeAlone(mutant: Mutant, bench: Bench): Promise<Verdict | Undecided> {
  const seeing = seeingOf(mutant, bench)
  const known = recall(mutant, seeing, bench.verdicts)
  if (known !== undefined) return known
  const left = quickestFirst(seeing, bench.kills.get(mutant.file))
  let seconds = 0
  for (const [index, observation] of left.entries()) {
    seconds += observation.seconds
    if (index > 0 && seconds > ALONE) return { mutant, left: left.slice(index) }
    const run = await runBroken([mutant], observation, bench)
    if (run.outcome !== 'passed') return killed(mutant, { observation, run, bench })
  }
  return survived(mutant, bench)
}

/**
 * Judges mutants of different files with the tests that remain, all of them broken at once: what passes then passes for
 * each. Where a test fails, halves of them tell whose fault it is.
 */
export async function judgeTogether(undecided: readonly Undecided[], bench: Bench): Promise<Map<Mutant, Verdict>> {
  const verdicts = new Map<Mutant, Verdict>()
  const waiting = [...new Set(undecided.flatMap(({ left }) => left))].sort((a, b) => a.seconds - b.seconds)
  for (const observation of waiting) {
    const asked = undecided.filter(({ mutant, left }) => !verdicts.has(mutant) && left.includes(observation))
    const mutants = asked.map(({ mutant }) => mutant)
    for (const { mutant, run } of await culprits(mutants, observation, bench)) {
      verdicts.set(mutant, killed(mutant, { observation, run, bench }))
    }
  }
  for (const { mutant } of undecided) if (!verdicts.has(mutant)) verdicts.set(mutant, survived(mutant, bench))
  return verdicts
}

async function culprits(
  mutants: readonly Mutant[],
  observation: Observation,
  bench: Bench,
): Promise<{ mutant: Mutant; run: TestRun }[]> {
  const [first] = mutants
  if (first === undefined) return []
  const run = await runBroken(mutants, observation, bench)
  if (run.outcome === 'passed') return []
  if (mutants.length === 1) return [{ mutant: first, run }]
  const half = Math.ceil(mutants.length / 2)
  return [
    ...(await culprits(mutants.slice(0, half), observation, bench)),
    ...(await culprits(mutants.slice(half), observation, bench)),
  ]
}

/** What fails once may be the fault of a busy machine: it fails when it fails twice. */
async function runBroken(mutants: readonly Mutant[], observation: Observation, { tree }: Bench): Promise<TestRun> {
  const { file, seconds } = observation
  const timeout = seconds * 1000 * PATIENCE.times + PATIENCE.more
  const options = { folder: tree.folder, timeout }
  for (const { file, text } of mutants) tree.write(file, text)
  try {
    const run = await runTestFile(file, options)
    return run.outcome === 'failed' && !file.startsWith('test/unit/') ? await runTestFile(file, options) : run
  } finally {
    for (const { file, original } of mutants) tree.write(file, original)
  }
}

interface Kill {
  observation: Observation
  run: TestRun
  bench: Bench
}

function killed(mutant: Mutant, { observation, run, bench }: Kill): Verdict {
  const { kills, verdicts } = bench
  const own = kills.get(mutant.file) ?? new Map<string, number>()
  own.set(observation.file, (own.get(observation.file) ?? 0) + 1)
  kills.set(mutant.file, own)
  const title = run.outcome === 'late' ? 'it hangs' : run.title
  const verdict: Verdict = { is: 'killed', by: observation.file, title }
  verdicts.set(keyOf(mutant, [observation]), verdict)
  return verdict
}

function survived(mutant: Mutant, bench: Bench): Verdict {
  const seeing = seeingOf(mutant, bench)
  const verdict: Verdict = { is: 'survivor', seen: seeing.length }
  bench.verdicts.set(keyOf(mutant, seeing), verdict)
  return verdict
}

/**
 * Who runs the place. A file that was read and not used is no reason to run a whole gateway; unit tests look also at
 * what a file declares.
 */
function seeingOf({ file, offset }: Mutant, { observations }: Bench): Observation[] {
  return observations.filter((test) => {
    const own = test.covered[file]
    return own !== undefined && sees(own, offset) && (own.called || test.file.startsWith('test/unit/'))
  })
}

function quickestFirst(seeing: readonly Observation[], kills: ReadonlyMap<string, number> | undefined): Observation[] {
  const expected = ({ file, seconds }: Observation): number => seconds - HEAD_START * (kills?.get(file) ?? 0)
  return seeing.toSorted((left, right) => expected(left) - expected(right))
}

function recall(mutant: Mutant, seeing: readonly Observation[], verdicts: Verdicts): Verdict | undefined {
  for (const observation of seeing) {
    const verdict = verdicts.get(keyOf(mutant, [observation]))
    if (verdict?.is === 'killed') return verdict
  }
  return verdicts.get(keyOf(mutant, seeing))
}

/** A verdict is good for as long as the broken file and all that the tests read are the same. */
function keyOf(mutant: Mutant, observations: readonly Observation[]): string {
  const hash = createHash('sha256').update(mutant.file).update(mutant.text)
  for (const { file, read } of observations) hash.update(JSON.stringify([file, Object.entries(read).sort()]))
  return hash.digest('hex').slice(0, 32)
}
