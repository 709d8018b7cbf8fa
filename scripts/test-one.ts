import { existsSync } from 'node:fs'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { prepareTests } from './test-environment.ts'

const USAGE = 'usage: npm run test:one -- FILE [-t TITLE] [--stores embedded|servers]'
const STORES = ['embedded', 'servers']

interface Wanted {
  file: string
  title: string | undefined
  stores: string | undefined
}

/** Milliseconds for the file. */
const TIMEOUT = 120_000

/** One file, or those of its tests whose title holds a text, with every title and all that they print. */
async function main(): Promise<number> {
  const { file, title, stores } = readArguments()
  prepareTests()
  // Suites that run on several kinds of stores leave out the others.
  if (stores !== undefined) process.env.STEPGATE_TEST_STORES = stores
  const events = run({
    files: [file],
    concurrency: 1,
    // A test that left something open would keep its process, and its error to itself.
    timeout: TIMEOUT,
    ...(title !== undefined && { testNamePatterns: [new RegExp(title.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'i')] }),
  })
  let [ran, failed] = [0, 0]
  events.on('test:pass', ({ name, details, skip }) => {
    // A file in which nothing fails is told of as a test that passed.
    if (name !== file && details.type !== 'suite' && skip === undefined) ran++
  })
  events.on('test:fail', () => void failed++)
  const shown = events.compose(spec)
  shown.pipe(process.stdout)
  await new Promise((resolve) => shown.once('end', resolve))
  if (ran + failed > 0) return failed === 0 ? 0 : 1
  console.error(`No test of ${file} ran${title === undefined ? '' : `: none has "${title}" in its title`}. ${USAGE}`)
  return 2
}

function readArguments(): Wanted {
  const refuse = (reason: string): never => {
    console.error(`${reason}\n${USAGE}`)
    process.exit(2)
  }
  try {
    const options = { title: { type: 'string', short: 't' }, stores: { type: 'string' } } as const
    const { values, positionals } = parseArgs({ options, allowPositionals: true })
    const [file, ...more] = positionals
    if (file === undefined || more.length > 0) return refuse('name one file')
    if (!existsSync(file)) return refuse(`there is no file ${file}`)
    const { title, stores } = values
    if (stores !== undefined && !STORES.includes(stores)) return refuse(`--stores ${stores} is not known`)
    return { file, title, stores }
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

process.exitCode = await main()
