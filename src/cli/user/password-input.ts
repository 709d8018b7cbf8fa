import { LONGEST_PASSWORD, type PasswordProblem } from '../../accounts/password-rules.ts'
import { CommandError } from '../failure.ts'
import { readSecret } from '../secret-input.ts'

const REASONS: Record<PasswordProblem, (minLength: number) => string> = {
  'too-short': (minLength) => `it has fewer than ${minLength} characters`,
  'too-long': () => `it is longer than ${LONGEST_PASSWORD.codePoints} characters or ${LONGEST_PASSWORD.bytes} bytes`,
  common: () => 'it is one of those that are tried first, or made of one',
  personal: () => 'it is the name of the user or of the service, or made of it',
}

/** The line that says why a password may not be set. */
export function refusedPassword(problem: PasswordProblem, minLength: number): CommandError {
  return new CommandError(`the password is refused: ${REASONS[problem](minLength)}`)
}

/** The new password on standard input. */
export const readNewPassword = (): Promise<string> => readSecret('New password')
