import { type Command, Option } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { Installation } from '../../app/installation.ts'
import type { RememberedDevice } from '../../mfa/session/remembered-device.ts'
import { accountOf, administer, recordCommand } from '../administration.ts'
import { CommandError } from '../failure.ts'
import { clean, type Result, table, timeText } from '../output.ts'

interface DeviceOptions {
  forget?: string
  forgetAll?: boolean
}

export function addMfaDevices(mfa: Command): void {
  mfa
    .command('devices')
    .argument('<name>', 'user name or address')
    .description('the browsers that are remembered for a user, or their end')
    .addOption(new Option('--forget <id>', 'forget this one').conflicts('forgetAll'))
    .option('--forget-all', 'forget all of them')
    .action((name: string, options: DeviceOptions, command: Command) =>
      administer(command, async (installation) => {
        const account = await accountOf(installation, name)
        if (options.forgetAll === true) return forgetAll(installation, account)
        return options.forget === undefined
          ? list(installation, account)
          : forget(installation, account, options.forget)
      }),
    )
}

async function list(installation: Installation, account: Account): Promise<Result> {
  const devices = await installation.devices.list(account)
  const head = ['BROWSER', 'ADDRESS', 'PROVED', 'LAST USED', 'EXPIRES', 'ID']
  const text = devices.length > 0 ? table(head, devices.map(rowOf)) : `no browser is remembered for ${account.username}`
  return { text, json: devices.map(jsonOf) }
}

async function forget(installation: Installation, account: Account, id: string): Promise<Result> {
  await recordCommand(installation, 'mfa devices --forget', account)
  const { username } = account
  if (!(await installation.devices.forget(account.id, id)))
    throw new CommandError(`${username} has no remembered device "${id}"`)
  return { text: `forgotten: ${clean(id)}`, json: { username, forgotten: 1 } }
}

async function forgetAll(installation: Installation, account: Account): Promise<Result> {
  await recordCommand(installation, 'mfa devices --forget-all', account)
  const forgotten = await installation.devices.forgetAll(account.id)
  const { username } = account
  return { text: `remembered devices forgotten for ${username}: ${forgotten}`, json: { username, forgotten } }
}

function rowOf({ userAgent, ip, method, provenAt, lastUsedAt, expiresAt, id }: RememberedDevice): string[] {
  return [userAgent.slice(0, 40), ip, `${method} ${timeText(provenAt)}`, timeText(lastUsedAt), timeText(expiresAt), id]
}

function jsonOf({ id, method, userAgent, ip, ...times }: RememberedDevice): Record<string, string> {
  return {
    id,
    method,
    userAgent,
    ip,
    provenAt: timeText(times.provenAt),
    createdAt: timeText(times.createdAt),
    lastUsedAt: timeText(times.lastUsedAt),
    expiresAt: timeText(times.expiresAt),
  }
}
