import type { Command } from 'commander'
import { createActivations } from '../../accounts/activation.ts'
import type { Installation } from '../../app/installation.ts'
import { accountOf, administer, eventOf, noticeOf } from '../administration.ts'
import { endAllSessions } from '../end-sessions.ts'
import type { Result } from '../output.ts'

export function addUserDisable(user: Command): void {
  user
    .command('disable')
    .argument('<name>', 'user name or address')
    .description('end all sessions and let the user in no more')
    .action((name: string, _options: object, command: Command) => administer(command, (site) => disable(site, name)))
}

async function disable(site: Installation, name: string): Promise<Result> {
  const account = await accountOf(site, name)
  const mails = noticeOf(site, 'account-disabled', { account })
  await site.accounts.setDisabled(account.id, true, eventOf('user.disabled', { account, mails }))
  await createActivations(site).revoke(account.id)
  await endAllSessions(site, account.id)
  const { username } = account
  return { text: `${username} cannot sign in any more`, json: { username, disabled: true } }
}
