import { basename } from 'node:path'
import type { Command } from 'commander'
import type { Installation } from '../../app/installation.ts'
import { administer, eventOf, keepAnswer } from '../administration.ts'
import { type Result, say } from '../output.ts'
import { showProgress } from '../progress-bar.ts'
import type { ImportFile, RowRefusal } from './import-file.ts'
import { checkRows, type Importable, loginsOf } from './import-rows.ts'

/** Problems that are printed one by one. */
const SHOWN = 20

export function addUserImport(user: Command): void {
  user
    .command('import')
    .argument('<file>', 'CSV with the header username,email,name,groups,passwordHash, or a JSON array of such objects')
    .description('make many accounts: all of them, or none when one cannot be made')
    .option('--partial', 'leave out what cannot be made')
    .action(async (file: string, options: { partial?: boolean }, command: Command) => {
      const { readImportFile } = await import('./import-file.ts')
      const read = readImportFile(file)
      await administer(command, (installation) =>
        importUsers(installation, { file, ...read, partial: options.partial === true }),
      )
    })
}

interface Order extends ImportFile {
  file: string
  partial: boolean
}

async function importUsers(installation: Installation, order: Order): Promise<Result> {
  const { file, rows, spoilt, partial } = order
  const taken = await installation.accounts.taken(rows.flatMap(({ cells }) => loginsOf(cells)))
  const { good, refused: wrong } = checkRows(rows, taken)
  const refused = [...order.refused, ...wrong].toSorted((one, other) => one.line - other.line)
  const accepted = spoilt || (refused.length > 0 && !partial) ? [] : good
  await insert(installation, accepted, file)
  if (refused.length > 0) process.exitCode = 1
  for (const line of problemLines(refused, file)) say(line)
  if (refused.length > 0 && accepted.length === 0) {
    say(`stepgate: nothing was imported${good.length > 0 && !spoilt ? ' (--partial leaves out what cannot be)' : ''}`)
  }
  warnWithoutAddress(installation, accepted)
  const imported = accepted.length
  return {
    text: imported === 0 && refused.length > 0 ? '' : `imported ${imported} ${imported === 1 ? 'user' : 'users'}`,
    json: { imported, refused },
  }
}

async function insert(installation: Installation, accepted: readonly Importable[], file: string): Promise<void> {
  const source = basename(file)
  const moved = eventOf('user.created', { details: { import: source, password: 'hash' } })
  const invited = eventOf('user.created', { details: { import: source, password: 'none' } })
  const entries = accepted.map(({ account }) => ({
    account,
    audit: account.passwordHash === undefined ? invited : moved,
  }))
  const progress = showProgress(entries.length)
  try {
    await keepAnswer(installation)
    await installation.accounts.insertMany(entries, progress.at)
  } finally {
    progress.end()
  }
}

/** One a line, so that editors find file and line. */
function problemLines(refused: readonly RowRefusal[], file: string): string[] {
  if (refused.length === 0) return []
  const shown = refused.slice(0, SHOWN).map(({ line, column, reason }) => {
    return `${file}:${line}: ${column === null ? '' : `${column}: `}${reason}`
  })
  const more = refused.length - shown.length
  const count = more > 0 ? [`stepgate: ${more} more of ${refused.length} problems are not shown (--json has all)`] : []
  return [...shown, ...count]
}

/** C6: whoever has no address cannot use what needs one. */
function warnWithoutAddress(installation: Installation, accepted: readonly Importable[]): void {
  const without = accepted.filter(({ account }) => account.email === undefined).length
  if (without > 0 && installation.config.mail !== undefined) {
    say(`stepgate: ${without} of them have no address: codes and notices by mail cannot reach these users`)
  }
}
