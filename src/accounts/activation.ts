import type { StateStore } from '../state/store.ts'
import type { AccountStore } from './account-store.ts'
import { createPasswordLinks, type PasswordLinks } from './password-links.ts'

/** What administrators hand out, to new users and to those who forgot (PW-13). */
export function createActivations(dependencies: {
  state: StateStore
  accounts: Pick<AccountStore, 'find'>
}): PasswordLinks {
  return createPasswordLinks('activation', dependencies)
}
