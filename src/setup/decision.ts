import type { PageError } from '../views/pages.ts'
import type { Form } from '../web/form.ts'

export type Decision =
  /** `enabled`: MFA stays on. */
  { enabled: boolean } | { error: PageError }

/** What the boxes say: "keep" needs one confirmation (A2), "not now" both (A3). Undefined: nothing was decided. */
export function decisionIn(form: Form): Decision | undefined {
  const decision = form.get('decision')
  if (decision === undefined) return undefined
  const confirmed = (name: string): boolean => form.get(name) === 'on'
  if (decision === 'keep' && confirmed('understood')) return { enabled: true }
  if (decision === 'off' && confirmed('understood') && confirmed('disableMfa')) return { enabled: false }
  return { error: { code: 'confirm', ...((decision === 'keep' || decision === 'off') && { reason: decision }) } }
}
