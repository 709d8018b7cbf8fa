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
    .action((name: string, _options: object, command: Command) =>
      administer(command, (installation) => disable(installation, name)),
    )
}

async function disable(installation: Installation, name: string): Promise<Result> {
  const account = await accountOf(installation, name)
  const mails = noticeOf(installation, 'account-disabled', { account })
  await installation.accounts.setDisabled(account.id, true, eventOf('user.disabled', { account, mails }))
  await createActivations(installation).revoke(account.id)
  await endAllSessions(installation, account.id)
  const { username } = account
  return { text: `${username} cannot sign in any more`, json: { username, disabled: true } }
}
