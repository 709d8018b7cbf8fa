import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { Installation } from '../../app/installation.ts'
import { administer, eventOf, keepAnswer } from '../administration.ts'
import { type Result, say } from '../output.ts'
import {
  type AccountOptions,
  checkedAddress,
  checkedGroups,
  checkedName,
  checkedUsername,
  collect,
} from './account-options.ts'
import { accountJson } from './account-result.ts'
import { activationLink, readNewPassword } from './password-input.ts'

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

async function addAccount(installation: Installation, name: string, options: AccountOptions): Promise<Result> {
  const username = checkedUsername(name)
  const email = options.email === undefined ? undefined : checkedAddress(options.email)
  // The link lives in the state store: find out whether that answers before there is an account.
  if (options.passwordStdin !== true) await installation.state.ping()
  const displayName = options.name === undefined ? undefined : checkedName(options.name)
  const passwordHash =
    options.passwordStdin === true
      ? await readNewPassword(installation, { username, email, name: displayName })
      : undefined
  await keepAnswer(installation)
  const account = await installation.accounts.insert(
    {
      username,
      email,
      name: displayName,
      groups: checkedGroups(options.group ?? []),
      admin: options.admin === true,
      passwordHash,
    },
    eventOf('user.created'),
  )
  warnWithoutAddress(installation, account)
  if (passwordHash !== undefined) {
    return { text: `${account.username} can sign in`, json: accountJson(account) }
  }
  const link = await activationLink(installation, account)
  return { text: link, json: { ...accountJson(account), activation: link } }
}

/** C6: whoever has no address cannot use what needs one. */
function warnWithoutAddress(installation: Installation, account: Account): void {
  if (account.email === undefined && installation.config.mail !== undefined) {
    say(`stepgate: ${account.username} has no address: codes and notices by mail cannot reach this user`)
  }
}
