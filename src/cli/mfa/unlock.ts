import type { Command } from 'commander'
import { unlockFactors } from '../../administration/factors/unlock.ts'
import type { Installation } from '../../app/installation.ts'
import { factsAbout } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { done } from '../outcome.ts'
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
  const { account, unlocked } = done(await unlockFactors(dependenciesOf(installation), factsAbout(name)), name)
  const { username } = account
  const text = unlocked.length > 0 ? `${username}: unlocked ${unlocked.join(', ')}` : `${username}: nothing is locked`
  return { text, json: { username, unlocked } }
}
