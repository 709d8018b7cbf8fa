import { clean } from '../kernel/plain-text.ts'

const MAX_REASON = 500

/**
 * Why something is done, as the audit log keeps it: one line of at most 500 characters. Undefined when nothing is left
 * of it.
 */
export function reasonIn(given: string): string | undefined {
  return clean(given).trim().slice(0, MAX_REASON) || undefined
}
