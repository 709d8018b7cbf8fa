import type { Command } from 'commander'
import type { Installation } from '../../app/installation.ts'
import { parseDuration } from '../../config/schema/durations.ts'
import { HOUR, MINUTE } from '../../kernel/clock.ts'
import { accountOf, administer, eventOf } from '../administration.ts'
import { CommandError, UsageError } from '../failure.ts'
import { type Result, say, timeText } from '../output.ts'
import { reasonIn } from './reason.ts'

const SHORTEST = MINUTE
const LONGEST = 24 * HOUR

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

async function bypass(installation: Installation, name: string, options: BypassOptions): Promise<Result> {
  const reason = reasonIn(options.reason)
  const ttl = ttlIn(options.ttl)
  const account = await accountOf(installation, name)
  if (account.disabled) throw new CommandError(`user "${name}" is disabled`)
  const audit = eventOf('bypass.issued', { account, details: { reason, ttl: options.ttl } })
  const { code, expiresAt } = await installation.bypassCodes.issue(account, { ttl, audit })
  say(`for ${account.username}: good once, until ${timeText(expiresAt)}`)
  return { text: code, json: { code, expiresAt: timeText(expiresAt) } }
}

function ttlIn(given: string): number {
  const ttl = parseDuration(given)
  if (ttl === undefined || ttl < SHORTEST || ttl > LONGEST) {
    throw new UsageError('--ttl', 'is no duration from 1m to 24h, such as 30m')
  }
  return ttl
}
