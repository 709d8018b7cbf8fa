import assert from 'node:assert/strict'
import type { Outcome } from './command-line.ts'

/** It failed with this status, nothing on standard output and one line on standard error. */
export function assertFailed(outcome: Outcome, status: number, says: RegExp): void {
  assert.equal(outcome.status, status, outcome.stderr)
  assert.equal(outcome.stdout, '')
  assert.match(outcome.stderr, says)
  assert.equal(outcome.stderr.trim().split('\n').length, 1, outcome.stderr)
}
