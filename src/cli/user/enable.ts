import type { Command } from 'commander'
import type { Installation } from '../../app/installation.ts'
import { accountOf, administer, eventOf } from '../administration.ts'
import type { Result } from '../output.ts'

export function addUserEnable(user: Command): void {
  user
    .command('enable')
    .argument('<name>', 'user name or address')
    .description('let a disabled user in again')
    .action((name: string, _options: object, command: Command) =>
      administer(command, (installation) => enable(installation, name)),
    )
}

async function enable(installation: Installation, name: string): Promise<Result> {
  const account = await accountOf(installation, name)
  await installation.accounts.setDisabled(account.id, false, eventOf('user.enabled', { account }))
  const { username } = account
  return { text: `${username} can sign in again`, json: { username, disabled: false } }
}
