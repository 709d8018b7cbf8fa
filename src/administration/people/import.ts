import type { AccountAdmin } from '../../accounts/account-store.ts'
import { type Actor, changeBy } from '../actor.ts'
import { keepSetupAnswer, type SetupAnswerDependencies } from '../setup-answer.ts'
import { checkRows, type Importable, loginsOf } from './import-rows.ts'
import type { ImportList, RowRefusal } from './import-text.ts'
import { type LoginTaken, unlessTaken } from './login-taken.ts'

export interface ImportPeopleDependencies extends SetupAnswerDependencies {
  accounts: Pick<AccountAdmin, 'taken' | 'insertMany'>
}

export interface ImportPeopleFacts {
  actor: Actor
  list: ImportList
  /** The name of the file, for the audit rows. */
  source: string
  /** `all`: nobody is made when one cannot be. `possible`: those are left out that cannot be. */
  take: 'all' | 'possible'
  /** Hears how many are written so far. They are there all at once, at the end. */
  progress?: (written: number, total: number) => void
}

export interface PeopleImported {
  ok: true
  /** They have an account now. */
  imported: Importable[]
  /** Everything that is wrong with the list, in its order. */
  refused: RowRefusal[]
  /** Rows with which nothing is wrong, imported or not. */
  good: number
}

/** Makes many accounts at once. `login-taken`: somebody took a name in this moment, and nobody was made. */
export async function importPeople(
  dependencies: ImportPeopleDependencies,
  { actor, list, source, take, progress }: ImportPeopleFacts,
): Promise<PeopleImported | LoginTaken> {
  const { accounts } = dependencies
  const taken = await accounts.taken(list.rows.flatMap(({ cells }) => loginsOf(cells)))
  const { good, refused: wrong } = checkRows(list.rows, taken)
  const refused = [...list.refused, ...wrong].toSorted((one, other) => one.line - other.line)
  const imported = list.spoilt || (refused.length > 0 && take === 'all') ? [] : good
  await keepSetupAnswer(dependencies)
  const withPassword = changeBy(actor, 'user.created', { details: { import: source, password: 'hash' } })
  const without = changeBy(actor, 'user.created', { details: { import: source, password: 'none' } })
  const entries = imported.map(({ account }) => ({
    account,
    audit: account.passwordHash === undefined ? without : withPassword,
  }))
  return unlessTaken(async () => {
    await accounts.insertMany(entries, (written) => progress?.(written, entries.length))
    return { ok: true, imported, refused, good: good.length }
  })
}
