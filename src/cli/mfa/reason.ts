import { UsageError } from '../failure.ts'
import { clean } from '../output.ts'

const MAX_REASON = 500

/** Why it is done, for the audit log. */
export function reasonIn(given: string): string {
  const reason = clean(given).trim().slice(0, MAX_REASON)
  if (reason === '') throw new UsageError('--reason', 'is empty')
  return reason
}
