import type { Command } from 'commander'
import { createActivations } from '../../accounts/activation.ts'
import type { Installation } from '../../app/installation.ts'
import { accountOf, administer, eventOf, noticeOf, recordCommand } from '../administration.ts'
import { endAllSessions } from '../end-sessions.ts'
import type { Result } from '../output.ts'
import { activationLink, readNewPassword } from './password-input.ts'

export function addUserPasswd(user: Command): void {
  user
    .command('passwd')
    .argument('<name>', 'user name or address')
    .description('print a one-use link with which the user sets a password, or set the one on standard input')
    .option('--password-stdin', 'read the password on standard input; ends all sessions')
    .action((name: string, options: { passwordStdin?: boolean }, command: Command) =>
      administer(command, (installation) =>
        options.passwordStdin === true ? setPassword(installation, name) : invite(installation, name),
      ),
    )
}

async function setPassword(installation: Installation, name: string): Promise<Result> {
  const account = await accountOf(installation, name)
  const hash = await readNewPassword(installation, account)
  await createActivations(installation).revoke(account.id)
  const mails = noticeOf(installation, 'password-changed', { account })
  await installation.accounts.setPassword(account.id, hash, eventOf('password.changed', { account, mails }))
  await endAllSessions(installation, account.id)
  const { username } = account
  return { text: `${username} has a new password, all sessions have ended`, json: { username } }
}

async function invite(installation: Installation, name: string): Promise<Result> {
  const account = await accountOf(installation, name)
  await recordCommand(installation, 'user passwd', account)
  const activation = await activationLink(installation, account)
  return { text: activation, json: { username: account.username, activation } }
}
