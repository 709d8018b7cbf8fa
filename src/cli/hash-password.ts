import type { Command } from 'commander'
import { createHasher } from '../accounts/passwords.ts'
import { invocationOf } from './invocation.ts'
import { print } from './output.ts'
import { readSecret } from './secret-input.ts'

const ALONE = { queue: 1, wait: 10_000, concurrency: 1 }

export function addHashPassword(program: Command): void {
  program
    .command('hash-password')
    .description('read a password on standard input and print its argon2id hash (PHC string)')
    .action(async (_options: object, command: Command) => {
      const hash = await createHasher(ALONE).hash(await readSecret('Password'))
      print({ text: hash, json: { hash } }, invocationOf(command).form)
    })
}
