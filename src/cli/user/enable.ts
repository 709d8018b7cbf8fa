import type { Command } from 'commander'
import { enablePerson } from '../../administration/people/enable.ts'
import type { Installation } from '../../app/installation.ts'
import { factsAbout } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { done } from '../outcome.ts'
import type { Result } from '../output.ts'

export function addUserEnable(user: Command): void {
  user
    .command('enable')
    .argument('<name>', 'user name or address')
    .description('let a disabled user in again')
    .action((name: string, _options: object, command: Command) =>
      administer(command, (installation) => enable(installation, name)),
    )
}

async function enable(installation: Installation, name: string): Promise<Result> {
  const { username } = done(await enablePerson(dependenciesOf(installation), factsAbout(name)), name).account
  return { text: `${username} can sign in again`, json: { username, disabled: false } }
}
