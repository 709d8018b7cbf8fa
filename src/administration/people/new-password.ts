import { type PasswordProblem, passwordProblem, personalWords } from '../../accounts/password-rules.ts'
import type { Hasher } from '../../accounts/passwords.ts'
import type { NotDone } from '../not-done.ts'

/** A password that may not be set; `minLength` is what a password needs here, in characters. */
export interface PasswordRefused extends NotDone<'password'> {
  problem: PasswordProblem
  minLength: number
}

/**
 * Asked for a new password once everything else is known to be right, so that nobody types one in vain; where it was
 * typed already, it is handed out.
 */
export type AskForPassword = () => Promise<string>

export interface PasswordSettingDependencies {
  hasher: Pick<Hasher, 'hash'>
  passwordRules: {
    /** Characters that a new password needs at least under today's policy. */
    minLength(): Promise<number>
    /** The service's own name is no password. */
    serviceName: string
  }
}

/** The hash of a new password of this person, if it keeps the rules. */
export async function askForHash(
  { hasher, passwordRules }: PasswordSettingDependencies,
  ask: AskForPassword,
  owner: { username: string; email?: string | undefined; name?: string | undefined },
): Promise<{ ok: true; hash: string } | PasswordRefused> {
  const password = await ask()
  const minLength = await passwordRules.minLength()
  const personal = personalWords({ ...owner, serviceName: passwordRules.serviceName })
  const problem = passwordProblem(password, { minLength, personal })
  if (problem !== undefined) return { ok: false, reason: 'password', problem, minLength }
  return { ok: true, hash: await hasher.hash(password) }
}
