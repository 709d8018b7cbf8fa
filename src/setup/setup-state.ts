import { HOUR } from '../kernel/clock.ts'
import type { Sealer } from '../kernel/secrets.ts'
import { createRecords, type Records } from '../state/records.ts'
import type { StateStore } from '../state/store.ts'

/** Who is to be the first administrator; nobody yet. */
export interface Draft {
  id: string
  username: string
  email: string
  passwordHash: string
  locale: string
}

/** What was begun for the draft's factor. */
export interface SetupChallenge {
  /** Names it for counting its answers. */
  id: string
  value: unknown
  madeAt: number
  expiresAt: number
}

/** Where set-up stands in one browser, after the token. */
export type SetupState =
  | { step: 'decision' }
  /** `enabled`: what was decided; it is answered with the account. */
  | { step: 'account'; enabled: boolean; typed?: { username: string; email: string } }
  | { step: 'code'; draft: Draft; factor: string; challenge?: SetupChallenge }
  /** Set-up is done. `yaml`: the entry of the first relying party. */
  | { step: 'client'; yaml?: string }

/** By the browser's id. */
export interface SetupStates {
  get(browser: string): Promise<SetupState | undefined>
  keep(browser: string, progress: SetupState): Promise<void>
  end(browser: string): Promise<void>
}

const TTL = HOUR

export function createSetupStates(dependencies: { state: StateStore; sealer: Sealer }): SetupStates {
  const records: Records<SetupState> = createRecords('setup', dependencies)
  return {
    get: async (browser) => (await records.get(browser))?.value,
    keep: (browser, progress) => records.set(browser, progress, TTL),
    end: (browser) => records.delete(browser),
  }
}
