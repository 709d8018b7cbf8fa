import { LoginTakenError } from '../../accounts/account-store.ts'
import type { NotDone } from '../not-done.ts'

/** Somebody else signs in with this name or address. */
export interface LoginTaken extends NotDone<'login-taken'> {
  login: string
}

/** The outcome of work that may throw `LoginTakenError`. */
export async function unlessTaken<Done>(work: () => Promise<Done>): Promise<Done | LoginTaken> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof LoginTakenError) return { ok: false, reason: 'login-taken', login: error.login }
    throw error
  }
}
