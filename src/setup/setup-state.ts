import { HOUR } from '../kernel/clock.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { createRecords, type Records } from '../state/records.ts'
import type { StateStore } from '../state/store.ts'

/** Who is to be the first administrator, as typed; there is no account yet. */
export interface Draft {
  /** The id that the account will have. */
  id: string
  username: string
  email: string
  passwordHash: string
  locale: string
}

/** The challenge that was made for the draft's second factor. */
export interface SetupChallenge {
  /** Names it, so that its answers can be counted. */
  id: string
  value: unknown
  /** Milliseconds since the epoch. */
  madeAt: number
  expiresAt: number
}

/** What is known at each step of set-up. */
interface StepFacts {
  /** The question whether everybody needs a second factor. `token`: the form asks for the token of the console too. */
  decision: { token?: true }
  /** The first administrator's name, address and password. `enabled`: the decision, written down with the account. */
  account: { enabled: boolean; typed?: { username: string; email: string } }
  /** The administrator proves a second factor. `factor`: its type; without a `challenge`, none could be made. */
  code: { draft: Draft; factor: string; challenge?: SetupChallenge }
  /** Set-up is done. `yaml`: the entry of the first relying party, to be pasted into the file. */
  client: { yaml?: string; typed?: Partial<Record<'preset' | 'client_id' | 'redirect', string | undefined>> }
}

export type StepName = keyof StepFacts

/** Where set-up stands in one browser. */
export type SetupState<Name extends StepName = StepName> = { [N in Name]: { step: N } & StepFacts[N] }[Name]

/** Where every browser begins; never kept. */
export const START: SetupState<'decision'> = { step: 'decision', token: true }

/** Where set-up stands, by the browser's id. */
export interface SetupStates {
  get(browser: string): Promise<SetupState | undefined>
  keep(browser: string, state: SetupState): Promise<void>
  end(browser: string): Promise<void>
}

const TTL = HOUR

export function createSetupStates(dependencies: { state: StateStore; sealer: Sealer }): SetupStates {
  const records: Records<SetupState> = createRecords('setup', dependencies)
  return {
    get: async (browser) => (await records.get(browser))?.value,
    keep: (browser, state) => records.set(browser, state, TTL),
    end: (browser) => records.delete(browser),
  }
}
