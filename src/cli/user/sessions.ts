import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { Installation } from '../../app/installation.ts'
import { browserOf } from '../../mail/user-agent.ts'
import type { SessionView } from '../../mfa/session/sessions.ts'
import { accountOf, administer, recordCommand } from '../administration.ts'
import { endAllSessions, withSessions } from '../end-sessions.ts'
import { CommandError } from '../failure.ts'
import { clean, type Result, table, timeText } from '../output.ts'

export function addUserSessions(user: Command): void {
  user
    .command('sessions')
    .argument('<name>', 'user name or address')
    .description('the browsers a user is signed in with, or their end')
    // A flag without a value: it may stand before the name.
    .option('--end', 'end all of them; the applications are told')
    .option('--id <id>', 'end this one')
    .action((name: string, { end, id }: { end?: true; id?: string }, command: Command) =>
      administer(command, async (installation) => {
        const account = await accountOf(installation, name)
        if (id !== undefined) return endOne(installation, account, id)
        return end === undefined ? list(installation, account) : endAll(installation, account)
      }),
    )
}

async function list(installation: Installation, account: Account): Promise<Result> {
  const sessions = await withSessions(installation, (port) => port.list(account))
  const head = ['BROWSER', 'ADDRESS', 'SIGNED IN', 'LAST USED', 'EXPIRES', 'PROVED', 'CLIENTS', 'ID']
  const text = sessions.length > 0 ? table(head, sessions.map(rowOf)) : `${account.username} is not signed in anywhere`
  return { text, json: sessions.map(jsonOf) }
}

async function endAll(installation: Installation, account: Account): Promise<Result> {
  await recordCommand(installation, 'user sessions --end', account)
  const ended = await endAllSessions(installation, account.id)
  const { username } = account
  return { text: `sessions ended for ${username}: ${ended}`, json: { username, ended } }
}

async function endOne(installation: Installation, account: Account, id: string): Promise<Result> {
  await recordCommand(installation, 'user sessions --end', account)
  const { username } = account
  if (!(await withSessions(installation, (sessions) => sessions.end(account.id, id))))
    throw new CommandError(`${username} has no session "${id}"`)
  return { text: `ended: ${clean(id)}`, json: { username, ended: 1 } }
}

function rowOf({ id, userAgent, address, methods, clients, ...times }: SessionView): string[] {
  const known = browserOf(userAgent)
  const browser = known === undefined ? userAgent.slice(0, 40) : [known.browser, known.system].join(' ').trim()
  return [
    browser || '-',
    address,
    timeText(times.startedAt),
    timeText(times.lastUsedAt),
    timeText(times.expiresAt),
    methods.join('+'),
    clients.join(', ') || '-',
    id,
  ]
}

function jsonOf({ id, userAgent, address, methods, clients, ...times }: SessionView): Record<string, unknown> {
  return {
    id,
    userAgent,
    address,
    startedAt: timeText(times.startedAt),
    lastUsedAt: timeText(times.lastUsedAt),
    expiresAt: timeText(times.expiresAt),
    methods,
    clients,
  }
}
