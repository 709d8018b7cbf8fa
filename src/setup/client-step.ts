import { firstClient, OFFERED } from './first-client.ts'
import type { SetupStates } from './setup-state.ts'
import { ACCOUNT, type SetupStep } from './step.ts'

export interface ClientStepDependencies {
  states: Pick<SetupStates, 'end'>
  issuer: string
}

/** The last page, after set-up is complete: it writes the entry of the first relying party for whoever wants one. */
export function createClientStep({ states, issuer }: ClientStepDependencies): SetupStep<'client'> {
  return {
    view: async ({ yaml, typed }) => ({ yaml, presets: OFFERED, typed }),
    async answer(_at, { browser }, form) {
      const action = form.get('action')
      if (action === 'skip' || action === 'done') {
        await states.end(browser)
        return { redirect: ACCOUNT }
      }
      const yaml = firstClient(form, issuer)
      if (yaml !== undefined) return { next: { step: 'client', yaml } }
      const typed = {
        preset: form.get('preset'),
        client_id: form.get('client_id')?.slice(0, 200),
        redirect: form.get('redirect')?.slice(0, 2000),
      }
      return { shown: { step: 'client', typed }, error: { code: 'client' } }
    },
  }
}
