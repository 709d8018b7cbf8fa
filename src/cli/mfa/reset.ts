import type { Command } from 'commander'
import type { Installation } from '../../app/installation.ts'
import { accountOf, administer, eventOf, noticeOf } from '../administration.ts'
import { endAllSessions } from '../end-sessions.ts'
import type { Result } from '../output.ts'
import { reasonIn } from './reason.ts'

export function addMfaReset(mfa: Command): void {
  mfa
    .command('reset')
    .argument('<name>', 'user name or address')
    .description('end factors, remembered devices and sessions; the user binds again at the next sign-in')
    .requiredOption('--reason <reason>', 'for the audit log')
    .action((name: string, options: { reason: string }, command: Command) =>
      administer(command, (installation) => reset(installation, name, options.reason)),
    )
}

async function reset(installation: Installation, name: string, given: string): Promise<Result> {
  const reason = reasonIn(given)
  const account = await accountOf(installation, name)
  const factors = await installation.bindings.removeAll(
    account.id,
    eventOf('factor.admin_reset', {
      account,
      details: { reason },
      mails: noticeOf(installation, 'factors-reset', { account }),
    }),
  )
  const devices = await installation.devices.forgetAll(account.id)
  await endAllSessions(installation, account.id)
  const { username } = account
  return {
    text: `${username}: factors removed ${factors}, remembered devices forgotten ${devices}, all sessions ended`,
    json: { username, factors, devices },
  }
}
