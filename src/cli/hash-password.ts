import type { Command } from 'commander'
import { passwordProblem } from '../accounts/password-rules.ts'
import { createHasher } from '../accounts/passwords.ts'
import { invocationOf } from './invocation.ts'
import { print } from './output.ts'
import { readSecret } from './secret-input.ts'
import { refusedPassword } from './user/password-input.ts'

/** No configuration allows fewer characters. */
const MIN_LENGTH = 8
const ALONE = { queue: 1, wait: 10_000, concurrency: 1 }

export function addHashPassword(program: Command): void {
  program
    .command('hash-password')
    .description('read a password on standard input and print its argon2id hash (PHC string)')
    .action(async (_options: object, command: Command) => {
      const password = await readSecret('Password')
      const problem = passwordProblem(password, { minLength: MIN_LENGTH, personal: [] })
      // Only the length is judged: whose password it will be is not known here, and the rules against common ones
      // belong to an installation.
      if (problem === 'too-short' || problem === 'too-long') throw refusedPassword(problem, MIN_LENGTH)
      const hash = await createHasher(ALONE).hash(password)
      print({ text: hash, json: { hash } }, invocationOf(command).form)
    })
}
