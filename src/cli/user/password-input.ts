import type { Account } from '../../accounts/account.ts'
import { createActivations } from '../../accounts/activation.ts'
import {
  LONGEST_PASSWORD,
  type PasswordProblem,
  passwordProblem,
  personalWords,
} from '../../accounts/password-rules.ts'
import type { Installation } from '../../app/installation.ts'
import { shortestPassword } from '../../config/password-length.ts'
import { CommandError } from '../failure.ts'
import { readSecret } from '../secret-input.ts'

const REASONS: Record<PasswordProblem, (minLength: number) => string> = {
  'too-short': (minLength) => `it has fewer than ${minLength} characters`,
  'too-long': () => `it is longer than ${LONGEST_PASSWORD.codePoints} characters or ${LONGEST_PASSWORD.bytes} bytes`,
  common: () => 'it is one of those that are tried first, or made of one',
  personal: () => 'it is the name of the user or of the service, or made of it',
}

/** The line that says why a password may not be set. */
export function refused(problem: PasswordProblem, minLength: number): CommandError {
  return new CommandError(`the password is refused: ${REASONS[problem](minLength)}`)
}

/** The hash of the password on standard input, which must keep the rules. */
export async function readNewPassword(
  installation: Installation,
  account: { username: string; email?: string | undefined; name?: string | undefined },
): Promise<string> {
  const { config, hasher } = installation
  const password = await readSecret('New password')
  const { decisionsOf } = await import('../../app/decisions.ts')
  const { policy } = await decisionsOf(installation)
  const minLength = shortestPassword(policy, config.passwords.minLength)
  const personal = personalWords({ ...account, serviceName: config.branding.name })
  const problem = passwordProblem(password, { minLength, personal })
  if (problem !== undefined) throw refused(problem, minLength)
  return hasher.hash(password)
}

/** A one-use link with which the owner sets the password. */
export async function activationLink(installation: Installation, account: Account): Promise<string> {
  const token = await createActivations(installation).create(account)
  return `${installation.config.issuer}/activate/${token}`
}
