import type { Command } from 'commander'
import { issueBypass } from '../../administration/factors/bypass.ts'
import type { Installation } from '../../app/installation.ts'
import { factsAbout } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { CommandError, UsageError } from '../failure.ts'
import { done } from '../outcome.ts'
import { type Result, say, timeText } from '../output.ts'

interface BypassOptions {
  ttl: string
  reason: string
}

export function addMfaBypass(mfa: Command): void {
  mfa
    .command('bypass')
    .argument('<name>', 'user name or address')
    .description('print a one-use code that lets a user bind a new second factor after the password, and no more')
    .option('--ttl <duration>', 'how long it is good, 1m to 24h', '30m')
    .requiredOption('--reason <reason>', 'for the audit log')
    .action((name: string, options: BypassOptions, command: Command) =>
      administer(command, (installation) => bypass(installation, name, options)),
    )
}

async function bypass(installation: Installation, name: string, { reason, ttl }: BypassOptions): Promise<Result> {
  const facts = { ...factsAbout(name), reason, ttl }
  const outcome = await issueBypass(dependenciesOf(installation), facts)
  if (!outcome.ok && outcome.reason === 'ttl')
    throw new UsageError('--ttl', 'is no duration from 1m to 24h, such as 30m')
  if (!outcome.ok && outcome.reason === 'disabled') throw new CommandError(`user "${name}" is disabled`)
  const { account, code, expiresAt } = done(outcome, name)
  say(`for ${account.username}: good once, until ${timeText(expiresAt)}`)
  return { text: code, json: { code, expiresAt: timeText(expiresAt) } }
}
