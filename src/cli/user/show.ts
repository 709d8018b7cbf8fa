import type { Command } from 'commander'
import { accountOf, administer } from '../administration.ts'
import { accountJson, accountText } from './account-result.ts'

export function addUserShow(user: Command): void {
  user
    .command('show')
    .argument('<name>', 'user name or address')
    .description('one account')
    .action((name: string, _options: object, command: Command) =>
      administer(command, async (installation) => {
        const account = await accountOf(installation, name)
        return { text: accountText(account), json: accountJson(account) }
      }),
    )
}
