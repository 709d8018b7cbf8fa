import type { Administrators } from './administrator.ts'
import { challenged } from './code-step.ts'
import type { Completion } from './completion.ts'
import type { SetupStep } from './step.ts'

export interface AccountStepDependencies {
  /** In the order offered. */
  factors: readonly [Administrators, ...Administrators[]]
  /** How many characters a new password needs under this decision. */
  shortest(enabled: boolean): number
  complete: Completion
}

/** The first administrator's name, address and password. Without a second factor to prove, set-up ends here. */
export function createAccountStep({ factors, shortest, complete }: AccountStepDependencies): SetupStep<'account'> {
  const [administrators] = factors
  return {
    async view({ enabled, typed }) {
      const { username = '', email = '' } = typed ?? {}
      return { username, email, least: shortest(enabled) }
    },
    async answer(at, request, form) {
      if (form.get('action') === 'back') return { next: { step: 'decision' } }
      const typed = {
        username: (form.get('username') ?? '').slice(0, 200),
        email: (form.get('email') ?? '').slice(0, 300),
      }
      const drafted = await administrators.draft(form, at.enabled, request.locale)
      if (!drafted.ok) return { shown: { ...at, typed }, error: drafted.error }
      const { draft } = drafted
      return at.enabled ? challenged(draft, administrators, request) : complete(request, draft, undefined)
    },
  }
}
