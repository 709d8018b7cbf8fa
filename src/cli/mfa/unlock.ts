import type { Command } from 'commander'
import type { Installation } from '../../app/installation.ts'
import { accountOf, administer, eventOf } from '../administration.ts'
import type { Result } from '../output.ts'

export function addMfaUnlock(mfa: Command): void {
  mfa
    .command('unlock')
    .argument('<name>', 'user name or address')
    .description('let a user try the second factors again that too many wrong codes have locked (RL-1)')
    .action((name: string, _options: object, command: Command) =>
      administer(command, (installation) => unlock(installation, name)),
    )
}

async function unlock(installation: Installation, name: string): Promise<Result> {
  const account = await accountOf(installation, name)
  const { username } = account
  const { codeFailuresInARow } = installation.config.limits
  const attempts = await installation.bindings.attempts(account.id)
  const locked = attempts.filter(({ failures }) => failures >= codeFailuresInARow)
  for (const { type, failures } of locked) {
    const audit = eventOf('factor.unlocked', { account, details: { factor: type, failures } })
    await installation.bindings.clearAttempts(account.id, type, audit)
  }
  const unlocked = locked.map(({ type }) => type)
  const text = unlocked.length > 0 ? `${username}: unlocked ${unlocked.join(', ')}` : `${username}: nothing is locked`
  return { text, json: { username, unlocked } }
}
