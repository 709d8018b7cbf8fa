import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { both, type Covered, coveredOf, type ScriptCoverage } from './coverage.ts'
import { runTestFile } from './test-run.ts'
import type { Tree } from './tree.ts'

/** What one test file does when nothing is broken. */
export interface Observation {
  file: string
  passed: boolean
  seconds: number
  /** Hashes of all files of ours that it read, by path. While they are the same, so is the rest. */
  read: Readonly<Record<string, string>>
  /** What it has run of each file that is no test. */
  covered: Readonly<Record<string, Covered>>
}

const CACHE = 'node_modules/.cache/stepgate-mutate'
const TIMEOUT = 10 * 60 * 1000

/**
 * By test file; each is run once, with its coverage noted, unless nothing that it reads has changed since the last
 * time.
 */
export async function observe(files: readonly string[], tree: Tree): Promise<Observation[]> {
  const observations: Observation[] = []
  for (const [index, file] of files.entries()) {
    const known = remembered(file, tree)
    if (known === undefined) console.log(`coverage ${index + 1} of ${files.length}: ${file}`)
    observations.push(known ?? (await observed(file, tree)))
  }
  return observations
}

async function observed(file: string, tree: Tree): Promise<Observation> {
  const reports = mkdtempSync(join(tree.folder, 'coverage-'))
  try {
    // Code from a compile cache is counted roughly.
    const env = { NODE_V8_COVERAGE: reports, NODE_DISABLE_COMPILE_CACHE: '1' }
    const { outcome, seconds } = await runTestFile(file, { folder: tree.folder, timeout: TIMEOUT, env })
    const all = coverageIn(reports, tree)
    const observation: Observation = {
      file,
      passed: outcome === 'passed',
      seconds,
      read: Object.fromEntries([file, ...all.keys()].map((path) => [path, hashOf(path, tree)])),
      covered: Object.fromEntries([...all].filter(([path]) => !path.startsWith('test/'))),
    }
    if (observation.passed) remember(observation)
    return observation
  } finally {
    rmSync(reports, { recursive: true, force: true })
  }
}

/** What all processes of a run have done, by path. */
function coverageIn(reports: string, { folder }: Tree): Map<string, Covered> {
  const all = new Map<string, Covered>()
  for (const name of readdirSync(reports)) {
    const { result } = JSON.parse(readFileSync(join(reports, name), 'utf8')) as { result: ScriptCoverage[] }
    for (const script of result.filter(({ url }) => url.startsWith('file:'))) {
      const path = relative(folder, fileURLToPath(script.url))
      if (path.startsWith('..') || path.startsWith('node_modules') || !existsSync(join(folder, path))) continue
      const covered = coveredOf(script)
      const known = all.get(path)
      all.set(path, known === undefined ? covered : both(known, covered))
    }
  }
  return all
}

function remembered(file: string, tree: Tree): Observation | undefined {
  try {
    const known = JSON.parse(readFileSync(placeOf(file), 'utf8')) as Observation
    return Object.entries(known.read).every(([path, hash]) => hashOf(path, tree) === hash) ? known : undefined
  } catch {
    return undefined
  }
}

function remember(observation: Observation): void {
  mkdirSync(dirname(placeOf(observation.file)), { recursive: true })
  writeFileSync(placeOf(observation.file), JSON.stringify(observation))
}

function placeOf(file: string): string {
  return join(CACHE, `${file.replaceAll('/', '-')}.json`)
}

const hashes = new Map<string, string>()

/** Of the copy: somebody may be at work on the file itself. */
function hashOf(path: string, { folder }: Tree): string {
  const known =
    hashes.get(path) ??
    createHash('sha256')
      .update(readFileSync(join(folder, path)))
      .digest('hex')
      .slice(0, 16)
  hashes.set(path, known)
  return known
}
