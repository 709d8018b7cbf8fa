import type { Command } from 'commander'
import { editPerson, type PersonChanges } from '../../administration/people/edit.ts'
import type { Installation } from '../../app/installation.ts'
import { factsAbout } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { UsageError } from '../failure.ts'
import { done } from '../outcome.ts'
import type { Result } from '../output.ts'
import { type AccountOptions, collect } from './account-options.ts'
import { accountJson, accountText } from './account-result.ts'
import { readNewPassword } from './password-input.ts'

export function addUserEdit(user: Command): void {
  user
    .command('edit')
    .argument('<name>', 'user name or address')
    .description('change what is given; an empty value removes it')
    .option('--email <address>', 'another address; sessions and remembered devices end')
    .option('--name <name>', 'the name people read')
    .option('--group <group>', 'all groups from now on; may be given several times, empty for none', collect)
    .option('--admin', 'an administrator')
    .option('--no-admin', 'not an administrator')
    .option('--password-stdin', 'read a new password on standard input')
    .action((name: string, options: AccountOptions, command: Command) =>
      administer(command, (installation) => editAccount(installation, name, options)),
    )
}

async function editAccount(installation: Installation, name: string, options: AccountOptions): Promise<Result> {
  const changes = changesOf(options)
  const password = options.passwordStdin === true ? readNewPassword : undefined
  const facts = { ...factsAbout(name), changes, password }
  const outcome = await editPerson(dependenciesOf(installation), facts)
  if (!outcome.ok && outcome.reason === 'nothing') throw new UsageError('user edit', 'nothing to change is given')
  const { account } = done(outcome, name)
  return { text: accountText(account), json: accountJson(account) }
}

/** An empty value on the command line removes what is there. */
function changesOf({ email, name, group, admin }: AccountOptions): PersonChanges {
  return {
    ...(email !== undefined && { email: email || null }),
    ...(name !== undefined && { name: name || null }),
    ...(group !== undefined && { groups: group.filter((one) => one !== '') }),
    ...(admin !== undefined && { admin }),
  }
}
