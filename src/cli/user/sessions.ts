import type { Command } from 'commander'
import { endAllSessions, endSession } from '../../administration/sessions/end.ts'
import type { Installation } from '../../app/installation.ts'
import { browserOf } from '../../mail/user-agent.ts'
import type { SessionView } from '../../mfa/session/sessions.ts'
import { factsAbout } from '../actor.ts'
import { accountOf, administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { CommandError } from '../failure.ts'
import { done } from '../outcome.ts'
import { clean, type Result, table, timeText } from '../output.ts'
import { sessionsOfInstallation } from '../sessions.ts'

export function addUserSessions(user: Command): void {
  user
    .command('sessions')
    .argument('<name>', 'user name or address')
    .description('the browsers a user is signed in with, or their end')
    // `--end` takes no value, so that `user sessions --end NAME` does not read NAME as one.
    .option('--end', 'end all of them; the applications are told')
    .option('--id <id>', 'end this one')
    .action((name: string, { end, id }: { end?: true; id?: string }, command: Command) =>
      administer(command, (installation) => {
        if (id !== undefined) return endOne(installation, name, id)
        return end === undefined ? list(installation, name) : endAll(installation, name)
      }),
    )
}

async function list(installation: Installation, name: string): Promise<Result> {
  const account = await accountOf(installation, name)
  const sessions = await sessionsOfInstallation(installation).list(account)
  const head = ['BROWSER', 'ADDRESS', 'SIGNED IN', 'LAST USED', 'EXPIRES', 'PROVED', 'CLIENTS', 'ID']
  const text = sessions.length > 0 ? table(head, sessions.map(rowOf)) : `${account.username} is not signed in anywhere`
  return { text, json: sessions.map(jsonOf) }
}

async function endAll(installation: Installation, name: string): Promise<Result> {
  const { account, ended } = done(await endAllSessions(dependenciesOf(installation), factsAbout(name)), name)
  const { username } = account
  return { text: `sessions ended for ${username}: ${ended}`, json: { username, ended } }
}

async function endOne(installation: Installation, name: string, id: string): Promise<Result> {
  const facts = { ...factsAbout(name), session: id }
  const outcome = await endSession(dependenciesOf(installation), facts)
  if (!outcome.ok && outcome.reason === 'no-such-session')
    throw new CommandError(`${outcome.account.username} has no session "${id}"`)
  const { username } = done(outcome, name).account
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
