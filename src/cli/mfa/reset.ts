import type { Command } from 'commander'
import { resetFactors } from '../../administration/factors/reset.ts'
import type { Installation } from '../../app/installation.ts'
import { factsAbout } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { done } from '../outcome.ts'
import type { Result } from '../output.ts'

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

async function reset(installation: Installation, name: string, reason: string): Promise<Result> {
  const facts = { ...factsAbout(name), reason }
  const { account, factors, devices } = done(await resetFactors(dependenciesOf(installation), facts), name)
  const { username } = account
  return {
    text: `${username}: factors removed ${factors}, remembered devices forgotten ${devices}, all sessions ended`,
    json: { username, factors, devices },
  }
}
