import type { Command } from 'commander'
import { disablePerson } from '../../administration/people/disable.ts'
import type { Installation } from '../../app/installation.ts'
import { factsAbout } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { done } from '../outcome.ts'
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
  const { username } = done(await disablePerson(dependenciesOf(installation), factsAbout(name)), name).account
  return { text: `${username} cannot sign in any more`, json: { username, disabled: true } }
}
