import { readFileSync } from 'node:fs'
import type { Mutant } from './mutants.ts'

const FILE = 'scripts/mutants-equivalent.json'

/** A change that nobody can see from outside. Known by its lines, so that it stays known when others move. */
export interface Equivalent {
  file: string
  before: string
  after: string
  /** Why nobody can see it. */
  why: string
}

export function readEquivalents(): Equivalent[] {
  return JSON.parse(readFileSync(FILE, 'utf8')) as Equivalent[]
}

export function isEquivalent({ file, before, after }: Mutant, equivalents: readonly Equivalent[]): boolean {
  return equivalents.some((known) => known.file === file && known.before === before && known.after === after)
}
