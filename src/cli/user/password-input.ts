import type { Account } from '../../accounts/account.ts'
import { createActivations } from '../../accounts/activation.ts'
import { type PasswordProblem, passwordProblem } from '../../accounts/passwords.ts'
import type { Installation } from '../../app.ts'
import { shortestPassword } from '../../config/warnings.ts'
import { CommandFailed } from '../failure.ts'
import { readSecret } from '../secret-input.ts'

const PROBLEMS: Record<PasswordProblem, (minLength: number) => string> = {
  'too-short': (minLength) => `it has fewer than ${minLength} characters`,
  'too-long': () => 'it is longer than 256 characters or 1024 bytes',
  guessable: () => 'it is the name of the user or of the service',
}

/** The hash of the password on standard input, which must keep the rules. */
export async function readNewPassword(
  site: Installation,
  account: { username: string; email?: string | undefined },
): Promise<string> {
  const password = await readSecret('New password')
  const minLength = shortestPassword(site.config)
  const { username, email } = account
  const serviceName = site.config.branding.name
  const problem = passwordProblem(password, { minLength, username, email, serviceName })
  if (problem !== undefined) throw new CommandFailed(`the password is refused: ${PROBLEMS[problem](minLength)}`)
  return site.hasher.hash(password)
}

/** A one-use link with which the owner sets the password. */
export async function activationLink(site: Installation, account: Account): Promise<string> {
  const token = await createActivations(site).create(account.id)
  return `${site.config.issuer}/activate/${token}`
}
