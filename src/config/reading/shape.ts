import type { z } from 'zod'
import type { Problem } from '../checks/problem.ts'
import type { AuthenticatorBlocks } from '../schema/block.ts'
import { type FileConfig, type FileFormat, schemaBy } from '../schema/schema.ts'
import { unknownKey } from './unknown-keys.ts'

type Issue = z.core.$ZodIssue
type RawIssue = z.core.$ZodRawIssue

const KINDS: Record<string, string> = {
  string: 'text (numbers need quotes)',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'keys with values',
}

/** The file by the schema: either what it says, or all that is wrong with single keys. */
export function shaped(value: unknown, format: FileFormat): { config: FileConfig } | { problems: Problem[] } {
  const result = schemaBy(format).safeParse(value, { error: inOurWords })
  if (result.success) return { config: result.data }
  return { problems: result.error.issues.flatMap((issue) => problemsOf(issue, format.blocks)) }
}

function inOurWords(issue: RawIssue): string | undefined {
  if (issue.code === 'invalid_type') return wrongType(issue.input, issue.expected)
  if (issue.code === 'invalid_value')
    return issue.input === undefined ? 'is required' : `expected ${issue.values.join(' or ')}`
  return undefined
}

function wrongType(input: unknown, expected: string): string {
  if (input === undefined) return 'is required'
  if (input === null) return 'is empty: give it a value or remove the key'
  return `expected ${KINDS[expected] ?? expected}`
}

function problemsOf(issue: Issue, blocks: AuthenticatorBlocks): Problem[] {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)))
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], blocks))
  if (issue.code !== 'invalid_union') return [{ path, reason: issue.message }]
  // The form that was meant is the one that got furthest.
  const [closest = []] = issue.errors.toSorted((left, right) => depthOf(right) - depthOf(left))
  if (depthOf(closest) === 0) return [{ path, reason: issue.message }]
  return closest.flatMap((inner) => problemsOf({ ...inner, path: [...issue.path, ...inner.path] }, blocks))
}

function depthOf(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map(({ path }) => path.length))
}
