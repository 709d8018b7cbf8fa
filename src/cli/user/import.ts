import { basename } from 'node:path'
import type { Command } from 'commander'
import { importPeople } from '../../administration/people/import.ts'
import type { Importable } from '../../administration/people/import-rows.ts'
import type { ImportList, RowRefusal } from '../../administration/people/import-text.ts'
import type { Installation } from '../../app/installation.ts'
import { commandActor } from '../actor.ts'
import { administer } from '../administration.ts'
import { dependenciesOf } from '../dependencies.ts'
import { done } from '../outcome.ts'
import { type Result, say } from '../output.ts'
import { type ProgressBar, showProgress } from '../progress-bar.ts'

/** So many problems are printed; the others are counted. */
const SHOWN = 20

export function addUserImport(user: Command): void {
  user
    .command('import')
    .argument('<file>', 'CSV with the header username,email,name,groups,passwordHash, or a JSON array of such objects')
    .description('make many accounts: all of them, or none when one cannot be made')
    .option('--partial', 'leave out what cannot be made')
    .action(async (file: string, options: { partial?: boolean }, command: Command) => {
      const { readImportFile } = await import('./import-file.ts')
      const list = readImportFile(file)
      const take = options.partial === true ? 'possible' : 'all'
      await administer(command, (installation) => importUsers(installation, { file, list, take }))
    })
}

interface Order {
  file: string
  list: ImportList
  take: 'all' | 'possible'
}

async function importUsers(installation: Installation, { file, list, take }: Order): Promise<Result> {
  const outcome = await withProgress((progress) =>
    importPeople(dependenciesOf(installation), {
      actor: commandActor(),
      list,
      source: basename(file),
      take,
      progress,
    }),
  )
  const { imported, refused, good } = done(outcome, file)
  if (refused.length > 0) process.exitCode = 1
  for (const line of problemLines(refused, file)) say(line)
  if (refused.length > 0 && imported.length === 0) {
    const advice = good > 0 && !list.spoilt ? ' (--partial leaves out what cannot be)' : ''
    say(`stepgate: nothing was imported${advice}`)
  }
  warnWithoutAddress(installation, imported)
  const count = imported.length
  return {
    text: count === 0 && refused.length > 0 ? '' : `imported ${count} ${count === 1 ? 'user' : 'users'}`,
    json: { imported: count, refused },
  }
}

/** Shows a bar from the first rows that are written until the work ends, also when it fails. */
async function withProgress<T>(work: (progress: (written: number, total: number) => void) => Promise<T>): Promise<T> {
  let bar: ProgressBar | undefined
  try {
    return await work((written, total) => {
      bar ??= showProgress(total)
      bar.at(written)
    })
  } finally {
    bar?.end()
  }
}

/** One problem a line, as `FILE:LINE: …`, which editors turn into a link. */
function problemLines(refused: readonly RowRefusal[], file: string): string[] {
  if (refused.length === 0) return []
  const shown = refused.slice(0, SHOWN).map(({ line, column, reason }) => {
    return `${file}:${line}: ${column === null ? '' : `${column}: `}${reason}`
  })
  const more = refused.length - shown.length
  const count = more > 0 ? [`stepgate: ${more} more of ${refused.length} problems are not shown (--json has all)`] : []
  return [...shown, ...count]
}

/** Users without an address get no codes and no notices by mail; the administrator should know (C6). */
function warnWithoutAddress(installation: Installation, imported: readonly Importable[]): void {
  const without = imported.filter(({ account }) => account.email === undefined).length
  if (without > 0 && installation.config.mail !== undefined) {
    say(`stepgate: ${without} of them have no address: codes and notices by mail cannot reach these users`)
  }
}
