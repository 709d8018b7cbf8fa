import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { AccountAdmin } from '../../accounts/account-store.ts'
import { administer } from '../administration.ts'
import { table } from '../output.ts'
import { accountJson, yesNo } from './account-result.ts'

const PAGE = 500

export function addUserList(user: Command): void {
  user
    .command('list')
    .description('all accounts, by user name')
    .action((_options: object, command: Command) =>
      administer(command, async ({ accounts }) => {
        const all = await allAccounts(accounts)
        const rows = all.map(rowOf)
        return {
          text: table(['USER', 'ADDRESS', 'NAME', 'GROUPS', 'ADMIN', 'DISABLED'], rows),
          json: all.map(accountJson),
        }
      }),
    )
}

function rowOf({ username, email = '-', name = '-', groups, admin, disabled }: Account): string[] {
  return [username, email, name, groups.length > 0 ? groups.join(',') : '-', yesNo(admin), yesNo(disabled)]
}

async function allAccounts(accounts: AccountAdmin): Promise<Account[]> {
  const all: Account[] = []
  for (;;) {
    const after = all.at(-1)?.username
    const page = await accounts.list({ limit: PAGE, ...(after !== undefined && { after }) })
    all.push(...page)
    if (page.length < PAGE) return all
  }
}
