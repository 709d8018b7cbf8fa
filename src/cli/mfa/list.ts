import type { Command } from 'commander'
import type { Installation } from '../../app.ts'
import { accountOf, administer } from '../administration.ts'
import { type Result, table, timeText } from '../output.ts'

export function addMfaList(mfa: Command): void {
  mfa
    .command('list')
    .argument('<name>', 'user name or address')
    .description('the second factors a user has bound; never their secrets')
    .action((name: string, _options: object, command: Command) => administer(command, (site) => list(site, name)))
}

async function list(site: Installation, name: string): Promise<Result> {
  const account = await accountOf(site, name)
  const factors = (await site.bindings.list(account.id)).map(({ id, type, label = null, boundAt, lastUsedAt }) => ({
    id,
    type,
    label,
    boundAt: timeText(boundAt),
    lastUsedAt: lastUsedAt === undefined ? null : timeText(lastUsedAt),
  }))
  const rows = factors.map(({ id, type, label, boundAt, lastUsedAt }) => [
    type,
    label ?? '-',
    boundAt,
    lastUsedAt ?? 'never',
    id,
  ])
  const text =
    rows.length > 0
      ? table(['TYPE', 'LABEL', 'BOUND', 'LAST USED', 'ID'], rows)
      : `${account.username} has bound nothing`
  return { text, json: factors }
}
