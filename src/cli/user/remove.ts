import type { Command } from 'commander'
import { createActivations } from '../../accounts/activation.ts'
import type { Installation } from '../../app/installation.ts'
import { accountOf, administer, eventOf } from '../administration.ts'
import { endAllSessions } from '../end-sessions.ts'
import { CommandError } from '../failure.ts'
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
  const account = await accountOf(installation, name)
  const { id, username } = account
  // Nothing brings an account back: an address or another spelling is not enough to mean it.
  if (username !== name)
    throw new CommandError(`user "${name}" is called "${username}": removing needs exactly that name`)
  await createActivations(installation).revoke(id)
  await installation.devices.forgetAll(id)
  await endAllSessions(installation, id)
  await installation.accounts.remove(id, eventOf('user.deleted', { account, details: { username } }))
  return { text: `${username} is removed`, json: { username, removed: true } }
}
