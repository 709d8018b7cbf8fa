import type { Command } from 'commander'
import { removePerson } from '../../administration/people/remove.ts'
import type { Installation } from '../../app/installation.ts'
import { factsAbout } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { CommandError } from '../failure.ts'
import { done } from '../outcome.ts'
import type { Result } from '../output.ts'

export function addUserRemove(user: Command): void {
  user
    .command('remove')
    .argument('<name>', 'the user name, exactly as it is stored')
    .description('remove an account with its factors, for good')
    .action((name: string, _options: object, command: Command) =>
      administer(command, (installation) => remove(installation, name)),
    )
}

async function remove(installation: Installation, name: string): Promise<Result> {
  const facts = { ...factsAbout(name), username: name }
  const outcome = await removePerson(dependenciesOf(installation), facts)
  if (!outcome.ok && outcome.reason === 'other-name') {
    const { username } = outcome.account
    throw new CommandError(`user "${name}" is called "${username}": removing needs exactly that name`)
  }
  const { username } = done(outcome, name).account
  return { text: `${username} is removed`, json: { username, removed: true } }
}
