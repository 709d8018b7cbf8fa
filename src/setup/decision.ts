import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'

/** The answer to the question of set-up. */
export type Decision =
  /** `enabled`: whether everybody needs a second factor. */
  { enabled: boolean } | { error: PageError }

/**
 * What was ticked: to keep the second factor needs one confirmation (A2), to do without it needs two (A3). Undefined:
 * neither was chosen.
 */
export function decisionIn(form: Form): Decision | undefined {
  const decision = form.get('decision')
  if (decision === undefined) return undefined
  const confirmed = (name: string): boolean => form.get(name) === 'on'
  if (decision === 'keep' && confirmed('understood')) return { enabled: true }
  if (decision === 'off' && confirmed('understood') && confirmed('disableMfa')) return { enabled: false }
  return { error: { code: 'confirm', ...((decision === 'keep' || decision === 'off') && { reason: decision }) } }
}
