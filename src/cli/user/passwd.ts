import type { Command } from 'commander'
import { giveActivationLink } from '../../administration/people/activation-link.ts'
import { setPassword } from '../../administration/people/set-password.ts'
import type { Installation } from '../../app/installation.ts'
import { factsAbout } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { done } from '../outcome.ts'
import type { Result } from '../output.ts'
import { readNewPassword } from './password-input.ts'

export function addUserPasswd(user: Command): void {
  user
    .command('passwd')
    .argument('<name>', 'user name or address')
    .description('print a one-use link with which the user sets a password, or set the one on standard input')
    .option('--password-stdin', 'read the password on standard input; ends all sessions')
    .action((name: string, options: { passwordStdin?: boolean }, command: Command) =>
      administer(command, (installation) =>
        options.passwordStdin === true ? setFromInput(installation, name) : giveLink(installation, name),
      ),
    )
}

async function setFromInput(installation: Installation, name: string): Promise<Result> {
  const facts = { ...factsAbout(name), password: readNewPassword }
  const { username } = done(await setPassword(dependenciesOf(installation), facts), name).account
  return { text: `${username} has a new password, all sessions have ended`, json: { username } }
}

async function giveLink(installation: Installation, name: string): Promise<Result> {
  const { account, link } = done(await giveActivationLink(dependenciesOf(installation), factsAbout(name)), name)
  return { text: link, json: { username: account.username, activation: link } }
}
