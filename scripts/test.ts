import { globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { relative } from 'node:path'
import { run } from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { inspect, parseArgs, stripVTControlCharacters } from 'node:util'
import { installDebianPackages } from './install-debian.ts'
import { prepareTests } from './test-environment.ts'

const USAGE = 'usage: npm test -- [--long] [--stores embedded|servers] [FILE or FOLDER or part of a name]…'
const SECOND = 1000
const MINUTE = 60 * SECOND
/** For one file, in the usual and in the long run. */
const FILE_TIMEOUT = { usual: 2 * MINUTE, long: 20 * MINUTE }
const IN_PROCESS = ['walks', 'attack', 'flow', 'unit', 'self']
/**
 * Who works side by side: each takes the next file of the first of its kinds that has one left, so that nobody rests
 * before the work is done. Two browsers on two cores take longer than one after the other, so one worker alone has
 * them. Contracts sleep for most of their time, because stores go by the real one, and are done beside the rest.
 */
const WORKERS = [
  ['browser', 'cli', ...IN_PROCESS],
  ...Array.from({ length: Math.max(2, availableParallelism()) }, () => [...IN_PROCESS, 'cli']),
  ['contract'],
]
const ORDER = ['browser', 'cli', ...IN_PROCESS, 'contract']

type Event<Type extends TestEvent['type']> = Extract<TestEvent, { type: Type }>['data']
type Counts = Event<'test:summary'>['counts']

interface Failure {
  title: string
  file: string
  error: unknown
}

/** What happened so far, and what the summary says in the end. */
interface Report {
  failures: Failure[]
  seconds: Map<string, number>
  /** Reason → titles of what was left out for it. */
  leftOut: Map<string, string[]>
  /** What a file printed; shown only when it fails. */
  output: Map<string, string>
  counts: Counts | undefined
  success: boolean
}

async function main(): Promise<number> {
  const { long, stores, filters } = readArguments()
  process.env.STEPGATE_TEST_LENGTH = long ? 'long' : 'usual'
  if (stores !== undefined) process.env.STEPGATE_TEST_STORES = stores
  const files = testFiles(filters)
  if (files.length === 0) {
    console.error(`No test file matches ${filters.join(' ')}. ${USAGE}`)
    return 2
  }
  const strange = files.filter((file) => !ORDER.includes(kindOf(file)))
  if (strange.length > 0) {
    console.error(`Nobody runs ${strange.join(', ')}: its folder is none of ${ORDER.join(', ')}`)
    return 2
  }
  installDebianPackages(console.log)
  prepareTests()
  const started = performance.now()
  const report = await runFiles(files, long ? FILE_TIMEOUT.long : FILE_TIMEOUT.usual)
  print(report, performance.now() - started)
  return report.success && report.counts !== undefined ? 0 : 1
}

function readArguments(): { long: boolean; stores: string | undefined; filters: string[] } {
  try {
    const options = { long: { type: 'boolean' }, stores: { type: 'string' } } as const
    const { values, positionals } = parseArgs({ options, allowPositionals: true })
    const { stores } = values
    if (stores !== undefined && !['embedded', 'servers'].includes(stores)) {
      throw new Error(`--stores ${stores} is not known`)
    }
    return { long: values.long === true, stores, filters: positionals }
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`)
    process.exit(2)
  }
}

function testFiles(filters: string[]): string[] {
  const wanted = filters.map((filter) => relative('.', filter))
  const rank = (file: string): number => ORDER.indexOf(kindOf(file))
  return globSync('test/**/*.test.ts')
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort((a, b) => rank(a) - rank(b) || sizeOf(b) - sizeOf(a))
}

/** Long files take long, and the last one to begin should be a short one. */
const sizeOf = (file: string): number => statSync(file).size

const kindOf = (file: string): string => file.split('/')[1] ?? ''

async function runFiles(files: string[], timeout: number): Promise<Report> {
  const report: Report = {
    failures: [],
    seconds: new Map(),
    leftOut: new Map(),
    output: new Map(),
    counts: undefined,
    success: true,
  }
  const interrupt = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupt.abort())
  const left = Map.groupBy(files, kindOf)
  const next = (kinds: readonly string[]): string | undefined =>
    kinds
      .map((kind) => left.get(kind))
      .find((waiting) => waiting?.length)
      ?.shift()
  const work = async (kinds: readonly string[]): Promise<void> => {
    for (let file = next(kinds); file !== undefined && !interrupt.signal.aborted; file = next(kinds)) {
      const events = run({ files: [file], timeout, signal: interrupt.signal })
      for await (const event of events) note(event as TestEvent, report)
    }
  }
  await Promise.all(WORKERS.map(work))
  // What was left undone is no success.
  if (interrupt.signal.aborted) report.counts = undefined
  return report
}

function note({ type, data }: TestEvent, report: Report): void {
  if (type === 'test:pass') noteSkip(data, report)
  if (type === 'test:fail') noteFailure(data, report)
  if (type === 'test:stdout' || type === 'test:stderr') {
    const file = nameOf(data.file)
    report.output.set(file, (report.output.get(file) ?? '') + data.message)
  }
  if (type === 'test:summary') noteSummary(data, report)
}

function noteSkip({ skip, name }: Event<'test:pass'>, { leftOut }: Report): void {
  if (skip === undefined || skip === false) return
  const reason = typeof skip === 'string' && skip !== '' ? skip : 'no reason given'
  leftOut.set(reason, [...(leftOut.get(reason) ?? []), name])
}

function noteFailure({ name, file, details, todo }: Event<'test:fail'>, { failures }: Report): void {
  const error = details.error as Error & { failureType?: string }
  // A suite fails because a test in it did, which was told already.
  if (error.failureType === 'subtestsFailed' || todo !== undefined) return
  failures.push({ title: name, file: nameOf(file), error: error.cause ?? error })
}

function noteSummary({ file, counts, duration_ms, success }: Event<'test:summary'>, report: Report): void {
  if (file === undefined) {
    report.counts = sumOf(report.counts, counts)
    report.success &&= success
    return
  }
  const name = nameOf(file)
  report.seconds.set(name, duration_ms / SECOND)
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} left out` : ''
  console.log(
    `${success ? 'ok  ' : 'FAIL'} ${name} (${counts.passed} of ${counts.tests}${skipped}, ${shown(duration_ms)})`,
  )
}

function sumOf(before: Counts | undefined, counts: Counts): Counts {
  if (before === undefined) return counts
  const names = Object.keys(counts) as (keyof Counts)[]
  return Object.fromEntries(names.map((name) => [name, before[name] + counts[name]])) as unknown as Counts
}

function print(report: Report, duration: number): void {
  const { failures, seconds, leftOut, output } = report
  for (const { title, file, error } of failures) {
    console.log(
      `\nFAIL ${file}\n  ${title}\n${indent(typeof error === 'string' ? error : inspect(error, { depth: 8 }))}`,
    )
  }
  for (const file of new Set(failures.map((failure) => failure.file))) {
    const printed = stripVTControlCharacters(output.get(file) ?? '').trim()
    if (printed !== '') console.log(`\nPrinted by ${file}:\n${indent(printed)}`)
  }
  const slowest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, 10)
  console.log('\nSlowest files:')
  for (const [file, time] of slowest) console.log(`${time.toFixed(1).padStart(7)} s  ${file}`)
  if (leftOut.size > 0) console.log('\nLeft out:')
  for (const [reason, titles] of leftOut)
    console.log(`  ${reason}\n${titles.map((title) => `    ${title}`).join('\n')}`)
  printCounts(report, duration)
}

/** In the form of node's own reporter, for tools that read it. */
function printCounts({ counts, failures, success }: Report, duration: number): void {
  if (counts !== undefined) {
    const { passed, cancelled, skipped, todo, tests } = counts
    const failed = tests - passed - cancelled - skipped - todo
    console.log(
      `\n${success ? 'Passed' : 'FAILED'}: ${passed} passed, ${failed + cancelled} failed, ${skipped} left out`,
    )
    console.log(`in ${shown(duration)}\n`)
    const lines = { tests, suites: counts.suites, pass: passed, fail: failed, cancelled, skipped, todo }
    for (const [name, count] of Object.entries(lines)) console.log(`# ${name} ${count}`)
  } else {
    console.log(`\nFAILED: interrupted after ${shown(duration)}\n# fail ${failures.length}`)
  }
  console.log(`# duration_ms ${Math.round(duration)}`)
}

const nameOf = (file: string | undefined): string => (file === undefined ? 'unknown file' : relative('.', file))
const indent = (text: string): string => text.replace(/^/gm, '    ')

function shown(milliseconds: number): string {
  const total = milliseconds / SECOND
  return total < 60 ? `${total.toFixed(1)} s` : `${Math.floor(total / 60)} min ${Math.round(total % 60)} s`
}

process.exitCode = await main()
