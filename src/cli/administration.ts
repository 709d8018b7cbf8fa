import type { Command } from 'commander'
import type { Account } from '../accounts/account.ts'
import type { Installation } from '../app/installation.ts'
import { createLogger } from '../kernel/logger.ts'
import { readConfig } from './configuration.ts'
import { invocationOf } from './invocation.ts'
import { unknownUser } from './outcome.ts'
import { print, type Result } from './output.ts'

/** Opens what the configuration names, does the work, prints its result and closes everything again. */
export function administer(command: Command, work: (installation: Installation) => Promise<Result>): Promise<void> {
  const { form } = invocationOf(command)
  return onInstallation(command, async (installation) => print(await work(installation), form))
}

/** The same for work that prints by itself. */
export async function onInstallation(
  command: Command,
  work: (installation: Installation) => Promise<void>,
): Promise<void> {
  const { file } = invocationOf(command)
  const log = await createLogger({ level: 'error', descriptor: 2, pretty: process.stderr.isTTY === true })
  const config = readConfig(file)
  const { openInstallation } = await import('../app/installation.ts')
  const installation = await openInstallation(config, { log })
  try {
    await work(installation)
  } finally {
    await installation.close()
  }
}

/** The account with this user name or address; fails with a line that names it. */
export async function accountOf(installation: Installation, name: string): Promise<Account> {
  const account = await installation.accounts.findByLogin(name)
  if (account === undefined) throw unknownUser(name)
  return account
}
