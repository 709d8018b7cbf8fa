import { type Command, Option } from 'commander'
import { forgetAllDevices, forgetDevice } from '../../administration/devices/forget.ts'
import type { Installation } from '../../app/installation.ts'
import type { RememberedDevice } from '../../mfa/session/remembered-device.ts'
import { factsAbout } from '../actor.ts'
import { accountOf, administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { CommandError } from '../failure.ts'
import { done } from '../outcome.ts'
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
      administer(command, (installation) => {
        if (options.forgetAll === true) return forgetAll(installation, name)
        return options.forget === undefined ? list(installation, name) : forget(installation, name, options.forget)
      }),
    )
}

async function list(installation: Installation, name: string): Promise<Result> {
  const account = await accountOf(installation, name)
  const devices = await installation.devices.list(account)
  const head = ['BROWSER', 'ADDRESS', 'PROVED', 'LAST USED', 'EXPIRES', 'ID']
  const text = devices.length > 0 ? table(head, devices.map(rowOf)) : `no browser is remembered for ${account.username}`
  return { text, json: devices.map(jsonOf) }
}

async function forget(installation: Installation, name: string, id: string): Promise<Result> {
  const facts = { ...factsAbout(name), device: id }
  const outcome = await forgetDevice(dependenciesOf(installation), facts)
  if (!outcome.ok && outcome.reason === 'no-such-device')
    throw new CommandError(`${outcome.account.username} has no remembered device "${id}"`)
  const { username } = done(outcome, name).account
  return { text: `forgotten: ${clean(id)}`, json: { username, forgotten: 1 } }
}

async function forgetAll(installation: Installation, name: string): Promise<Result> {
  const { account, forgotten } = done(await forgetAllDevices(dependenciesOf(installation), factsAbout(name)), name)
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
