import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { jsonSchema } from '../src/config/schema/json-schema.ts'
import { BLOCKS } from '../src/mfa/factors/registry.ts'
import { configurationPage } from './configuration-page.ts'
import { eventsPage } from './events-page.ts'

interface Generated {
  /** From the top of the repository. */
  path: string
  text(): string
}

/** Everything in the repository that follows from the code. */
const FILES: readonly Generated[] = [
  { path: 'config/stepgate.schema.json', text: () => `${JSON.stringify(jsonSchema(BLOCKS), null, 2)}\n` },
  { path: 'docs/configuration.md', text: () => configurationPage(jsonSchema(BLOCKS)) },
  { path: 'docs/events.md', text: eventsPage },
]

function main(): number {
  const { values } = parseArgs({ options: { check: { type: 'boolean' } } })
  const stale = FILES.filter(({ path, text }) => written(path) !== text())
  if (values.check === true) {
    for (const { path } of stale) console.error(`${path}: stale, run: npm run generate`)
    return stale.length === 0 ? 0 : 1
  }
  for (const { path, text } of stale) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text())
    console.error(`${path}: written`)
  }
  return 0
}

/** Undefined when there is no such file yet. */
function written(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

process.chdir(dirname(import.meta.dirname))
process.exitCode = main()
