import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import { addPerson } from '../../administration/people/add.ts'
import type { Installation } from '../../app/installation.ts'
import { commandActor } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { done } from '../outcome.ts'
import { type Result, say } from '../output.ts'
import { type AccountOptions, collect } from './account-options.ts'
import { accountJson } from './account-result.ts'
import { readNewPassword } from './password-input.ts'

export function addUserAdd(user: Command): void {
  user
    .command('add')
    .argument('<name>', 'what the user signs in with')
    .description('make an account; prints a one-use activation link unless the password comes on standard input')
    .option('--email <address>', 'where one-time codes and notices go')
    .option('--name <name>', 'the name people read')
    .option('--group <group>', 'may be given several times', collect)
    .option('--admin', 'an administrator')
    .option('--password-stdin', 'read the password on standard input')
    .action((name: string, options: AccountOptions, command: Command) =>
      administer(command, (installation) => addAccount(installation, name, options)),
    )
}

async function addAccount(installation: Installation, username: string, options: AccountOptions): Promise<Result> {
  const { email, name, group, admin = false, passwordStdin } = options
  const password = passwordStdin === true ? readNewPassword : undefined
  const facts = { actor: commandActor(), username, email, name, groups: group ?? [], admin, password }
  const { account, link } = done(await addPerson(dependenciesOf(installation), facts), username)
  warnWithoutAddress(installation, account)
  if (link === undefined) return { text: `${account.username} can sign in`, json: accountJson(account) }
  return { text: link, json: { ...accountJson(account), activation: link } }
}

/** A user without an address gets no codes and no notices by mail; the administrator should know (C6). */
function warnWithoutAddress(installation: Installation, account: Account): void {
  if (account.email === undefined && installation.config.mail !== undefined) {
    say(`stepgate: ${account.username} has no address: codes and notices by mail cannot reach this user`)
  }
}
