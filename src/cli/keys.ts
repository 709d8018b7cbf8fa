import type { Command } from 'commander'
import { administer } from './administration.ts'
import { table, timeText } from './output.ts'

export function addKeys(program: Command): void {
  const keys = program.command('keys').description('signing keys')
  keys
    .command('list')
    .description('the signing keys; never their private parts')
    .action((_options: object, command: Command) =>
      administer(command, async (site) => {
        const list = (await site.keys.list()).map(({ kid, alg, status, createdAt }) => ({
          kid,
          alg,
          status,
          createdAt: timeText(createdAt),
        }))
        const rows = list.map(({ kid, alg, status, createdAt }) => [kid, alg, status, createdAt])
        return { text: table(['KID', 'ALG', 'STATUS', 'CREATED'], rows), json: list }
      }),
    )
}
