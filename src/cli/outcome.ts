import { LoginTakenError } from '../accounts/account-store.ts'
import type { NoReasonGiven } from '../administration/not-done.ts'
import type { InvalidField } from '../administration/people/fields.ts'
import type { LoginTaken } from '../administration/people/login-taken.ts'
import type { PasswordRefused } from '../administration/people/new-password.ts'
import type { PersonGone, UnknownPerson } from '../administration/people/person.ts'
import { CommandError, UsageError } from './failure.ts'
import { invalidField } from './user/account-options.ts'
import { refusedPassword } from './user/password-input.ts'

/** Why a deed was not done, of what many deeds share. */
type CommonRefusal = UnknownPerson | PersonGone | LoginTaken | InvalidField | PasswordRefused | NoReasonGiven

/**
 * What a deed made; for one that was not done, throws the line that says why. `name`: whom the command was meant for.
 */
export function done<Done extends { ok: true }>(outcome: Done | CommonRefusal, name: string): Done {
  if (outcome.ok) return outcome
  throw failureOf(outcome, name)
}

function failureOf(refusal: CommonRefusal, name: string): Error {
  switch (refusal.reason) {
    case 'unknown-person':
      return unknownUser(name)
    case 'gone':
      return new CommandError(`user "${name}" does not exist any more`)
    case 'login-taken':
      return new LoginTakenError(refusal.login)
    case 'invalid':
      return invalidField(refusal)
    case 'password':
      return refusedPassword(refusal.problem, refusal.minLength)
    case 'no-reason':
      return new UsageError('--reason', 'is empty')
  }
}

export function unknownUser(name: string): CommandError {
  return new CommandError(`user "${name}" does not exist`)
}
