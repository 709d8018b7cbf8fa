import type { Loss } from './arrivals.ts'
import { startReloadable } from './gateway.ts'
import type { Generator } from './generator.ts'
import type { Load } from './load.ts'
import { cpuOf, memoryOf, waitOf } from './operating-system.ts'
import type { Options } from './options.ts'
import { createLogLines, createRewriter, type Rewriter, type Rewriting } from './rewriting.ts'
import type { ServerProcess } from './server-process.ts'
import { quantile, type Spread, spreadOf } from './statistics.ts'
import type { Stores } from './subject.ts'

/** Part of the saturation rate under which the file is rewritten. */
const SHARE = 0.5
/** Part of a batch of sign-ins that the saturation rate is measured with, in each round anew. */
const PROBE = 0.25
/**
 * People think between two pages, so that most sign-ins are under way during more than one reload; at most these
 * milliseconds.
 */
const THINK = 2000
/** Seconds a code is good for; whoever signs in needs one that was not used. */
const STEP = 30

/** The same load without and with reloads, in a minute in which the machine bears so much. */
interface Round {
  /** Sign-ins per second when a few visitors never pause. */
  saturation: number
  calm: Sample
  reloads: Sample
}

interface Sample extends Load {
  /** Milliseconds of the server's CPU per sign-in; the reloads' own are in it. */
  cpu: number
  /** Milliseconds per sign-in that the server wanted to run and another program did. */
  wait: number
}

interface Phase {
  begun: number
  completed: number
  lost: Loss[]
  /** Milliseconds from the scheduled beginning to the last answer, less thinking. */
  p50: number
  p95: number
  longest: number
  /** Median of the rounds. */
  cpu: number
  wait: number
}

export interface ReloadOutcome {
  /** Sign-ins per second. */
  saturation: Spread
  calm: Phase
  withReloads: Phase
  /** Of each round, then over the rounds. */
  ratios: { p50: Spread; p95: Spread; cpu: Spread }
  rounds: RoundFigures[]
  reloads: Omit<Rewriting, 'applying'> & { applyingP50: number; applyingLongest: number }
  /** Megabytes. */
  memory: { before: number; after: number }
}

interface RoundFigures {
  saturation: number
  calm: Phase
  withReloads: Phase
}

interface Tools {
  generator: Generator
  options: Options
  say(text: string): void
}

interface Printed {
  lines: string[]
  ok: boolean
}

/** Half of what the gateway can bear, without and with a file that changes every second. */
export async function reloadUnderLoad(stores: Stores, tools: Tools): Promise<ReloadOutcome & Printed> {
  const { options, say } = tools
  const log = createLogLines()
  const gateway = await startReloadable(stores, log.hear)
  const { server } = gateway
  try {
    say('warm-up')
    await closedLoop(server, options.warmUp, tools)
    const rewriter = createRewriter(gateway, log)
    const before = memoryOf(server.pid).now
    const rounds: Round[] = []
    for (let number = 0; number < options.rounds; number++) {
      say(`round ${number + 1} of ${options.rounds}`)
      rounds.push(await runRound(server, rewriter, { ...tools, number }))
    }
    const outcome = outcomeOf(rounds, rewriter.result, { before, after: memoryOf(server.pid).now })
    return { ...outcome, ...printed(outcome) }
  } finally {
    await server.stop()
  }
}

/** Every second round the other way round, so that a drift of the machine meets both alike. */
async function runRound(server: ServerProcess, rewriter: Rewriter, tools: Tools & { number: number }): Promise<Round> {
  const { options, number } = tools
  const { durations, elapsed } = await closedLoop(server, Math.ceil(options.signIns * PROBE), tools)
  const saturation = (durations.length * 1000) / elapsed
  const rate = saturation * SHARE
  if (rate * STEP > options.accounts) throw new Error(`--accounts: at least ${Math.ceil(rate * STEP)}`)
  const arrivals = { rate, seconds: options.seconds / options.rounds }
  const calmly = (): Promise<Sample> => openLoop(server, arrivals, tools)
  const withReloads = (): Promise<Sample> => {
    rewriter.start()
    return calmly().finally(() => rewriter.stop())
  }
  if (number % 2 === 0) {
    const calm = await calmly()
    return { saturation, calm, reloads: await withReloads() }
  }
  const reloads = await withReloads()
  return { saturation, calm: await calmly(), reloads }
}

async function closedLoop(server: ServerProcess, signIns: number, { generator, options }: Tools): Promise<Load> {
  await generator.obey({ do: 'prepare', crowd: 'gateway', signIns })
  const { concurrency } = options
  const visit = { crowd: 'gateway', party: server.party, signIns, concurrency, remember: false }
  return made(await generator.obey({ do: 'sign-in', ...visit }))
}

async function openLoop(
  server: ServerProcess,
  { rate, seconds }: { rate: number; seconds: number },
  { generator }: Tools,
): Promise<Sample> {
  const signIns = Math.ceil(rate * seconds)
  await generator.obey({ do: 'prepare', crowd: 'gateway', signIns })
  const visit = { crowd: 'gateway', party: server.party, signIns, rate, think: THINK }
  const before = { cpu: cpuOf(server.pid), wait: waitOf(server.pid) }
  const load = made(await generator.obey({ do: 'arrive', ...visit }))
  return {
    ...load,
    cpu: (cpuOf(server.pid) - before.cpu) / signIns,
    wait: (waitOf(server.pid) - before.wait) / signIns,
  }
}

function made(load: Load | undefined): Load {
  if (load === undefined) throw new Error('no load was made')
  return load
}

function outcomeOf(
  rounds: readonly Round[],
  { applying, ...reloads }: Rewriting,
  memory: ReloadOutcome['memory'],
): ReloadOutcome {
  const figures = rounds.map((round) => ({
    saturation: round.saturation,
    calm: phaseOf([round.calm]),
    withReloads: phaseOf([round.reloads]),
  }))
  const ratio = (of: (phase: Phase) => number): Spread =>
    spreadOf(figures.map((round) => of(round.withReloads) / of(round.calm)))
  return {
    saturation: spreadOf(rounds.map((round) => round.saturation)),
    calm: phaseOf(rounds.map((round) => round.calm)),
    withReloads: phaseOf(rounds.map((round) => round.reloads)),
    ratios: { p50: ratio(({ p50 }) => p50), p95: ratio(({ p95 }) => p95), cpu: ratio(({ cpu }) => cpu) },
    rounds: figures,
    reloads: { ...reloads, applyingP50: quantile(applying, 0.5), applyingLongest: Math.max(...applying) },
    memory,
  }
}

const median = (values: readonly number[]): number => quantile(values, 0.5)

function phaseOf(loads: readonly Sample[]): Phase {
  const durations = loads.flatMap((load) => load.durations)
  const lost = loads.flatMap((load) => load.lost)
  return {
    begun: durations.length + lost.length,
    completed: durations.length,
    lost,
    p50: quantile(durations, 0.5),
    p95: quantile(durations, 0.95),
    longest: Math.max(...durations),
    cpu: median(loads.map(({ cpu }) => cpu)),
    wait: median(loads.map(({ wait }) => wait)),
  }
}

/** What a reader wants to know, and whether all is as it should be. */
function printed({ saturation, calm, withReloads, ratios, reloads, memory }: ReloadOutcome): Printed {
  const line = (label: string, of: (phase: Phase) => number, ratio?: Spread): string =>
    row([label, of(calm).toFixed(0), of(withReloads).toFixed(0), ...(ratio === undefined ? [] : spread(ratio, 2))])
  const lost = [...calm.lost, ...withReloads.lost]
  const { problems } = reloads
  return {
    ok: lost.length === 0 && problems.length === 0 && reloads.applied > 0 && reloads.refused > 0,
    lines: [
      row(['', 'calm', 'reloads', 'ratio', 'min', 'max']),
      line('sign-ins begun', ({ begun }) => begun),
      line('  completed', ({ completed }) => completed),
      line('  lost', (phase) => phase.lost.length),
      line('p50, ms', ({ p50 }) => p50, ratios.p50),
      line('p95, ms', ({ p95 }) => p95, ratios.p95),
      line('longest, ms', ({ longest }) => longest),
      line('server CPU per sign-in, ms', ({ cpu }) => cpu, ratios.cpu),
      line('  waited for a core, ms', ({ wait }) => wait),
      '',
      row(['', 'median', 'min', 'max']),
      row(['saturation, sign-ins per second', ...spread(saturation, 1)]),
      row(['half of it, which begins', ...spread(times(saturation, SHARE), 1)]),
      '',
      row(['files applied', `${reloads.applied}`]),
      ...Object.entries(reloads.changes).map(([key, applied]) => row([`  ${key}`, `${applied}`])),
      row(['bad files refused', `${reloads.refused}`]),
      row(['from SIGHUP to applied, ms: p50', reloads.applyingP50.toFixed(0)]),
      row(['  longest', reloads.applyingLongest.toFixed(0)]),
      row(['memory before, MB', memory.before.toFixed(0)]),
      row(['  after', memory.after.toFixed(0)]),
      ...reasonsOf(lost),
      ...problems.map((problem) => `WRONG ${problem}`),
    ],
  }
}

/** Each reason once; an interaction's name tells nobody anything. */
function reasonsOf(lost: readonly Loss[]): string[] {
  const reasons = Map.groupBy(lost, ({ reason }) => reason.replace(/(interaction\/|state=)[\w-]+/g, '$1*'))
  return [...reasons].map(([reason, of]) => `LOST ${of.length} of them: ${reason}, first ${of[0]?.username}`)
}

const times = ({ median, min, max }: Spread, factor: number): Spread => ({
  median: median * factor,
  min: min * factor,
  max: max * factor,
})

const spread = ({ median, min, max }: Spread, digits: number): string[] =>
  [median, min, max].map((value) => value.toFixed(digits))

const row = ([label = '', ...cells]: string[]): string =>
  `${label.padEnd(34)}${cells.map((cell) => cell.padStart(10)).join('')}`.trimEnd()
