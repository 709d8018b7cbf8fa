import { loginKey } from '../../accounts/account.ts'
import type { NewAccount } from '../../accounts/account-store.ts'
import { readHash } from '../../accounts/hashes/read.ts'
import { parseAddress } from '../../mail/address.ts'
import { FIELD_PROBLEMS, textProblem } from './fields.ts'
import type { Column, ImportRow, RowRefusal } from './import-text.ts'

/** A user that can be made. */
export interface Importable {
  line: number
  account: NewAccount
}

export interface CheckedRows {
  good: Importable[]
  refused: RowRefusal[]
}

/** What spreadsheets run when somebody opens a list of users in one (IN-5). */
const FORMULA = /^[=+\-@]/
const BETWEEN_GROUPS = /[;|\s]+/

/** Every problem of every row: by itself, among the others and with the names that are `taken` (by `loginKey`). */
export function checkRows(rows: readonly ImportRow[], taken: ReadonlySet<string>): CheckedRows {
  const good: Importable[] = []
  const refused: RowRefusal[] = []
  const owners = new Map<string, ImportRow>()
  for (const row of rows) {
    const { line, cells } = row
    const problems: Omit<RowRefusal, 'line'>[] = []
    const account = accountOf(cells, (column, reason) => problems.push({ column, reason }))
    for (const column of ['username', 'email'] as const) {
      const key = loginKey(account[column] ?? '')
      const owner = owners.get(key)
      if (key !== '' && taken.has(key)) problems.push({ column, reason: 'is in use by another account' })
      else if (owner !== undefined) problems.push({ column, reason: `is used in line ${owner.line} already` })
    }
    for (const key of loginsOf(account)) if (!owners.has(key)) owners.set(key, row)
    if (problems.length === 0) good.push({ line, account })
    refused.push(...problems.map((problem) => ({ line, ...problem })))
  }
  return { good, refused }
}

/** The names and addresses that a row would sign in with, as far as it has any. */
export function loginsOf({ username, email }: { username?: unknown; email?: unknown }): string[] {
  const given = [username, email].filter((login) => typeof login === 'string')
  return given.map(loginKey).filter((key) => key !== '')
}

type Refuse = (column: Column, reason: string) => void

function accountOf(cells: ImportRow['cells'], refuse: Refuse): NewAccount {
  const text = (column: Exclude<Column, 'groups'>): string | undefined => {
    const value = cells[column] ?? ''
    if (typeof value === 'string') return value === '' ? undefined : value
    refuse(column, 'is no text')
    return undefined
  }
  const [username, email, name, passwordHash] = [text('username'), text('email'), text('name'), text('passwordHash')]
  if (username === undefined && (cells.username ?? '') === '') refuse('username', 'is missing')
  refuseText(username, (reason) => refuse('username', reason))
  refuseText(name, (reason) => refuse('name', reason))
  if (passwordHash !== undefined) refuseHash(passwordHash, (reason) => refuse('passwordHash', reason))
  const address = email === undefined ? undefined : parseAddress(email)
  if (email !== undefined && (address === undefined || FORMULA.test(email))) {
    refuse('email', FIELD_PROBLEMS['no-address'])
  }
  return { username: username ?? '', email: address, name, passwordHash, groups: groupsOf(cells.groups, refuse) }
}

function refuseText(text: string | undefined, refuse: (reason: string) => void): void {
  if (text === undefined) return
  const problem = textProblem(text)
  if (problem !== undefined) refuse(FIELD_PROBLEMS[problem])
  else if (FORMULA.test(text)) refuse('begins like a formula of a spreadsheet')
}

/** The hash itself is never repeated: it may be a password that stands in the wrong column. */
function refuseHash(hash: string, refuse: (reason: string) => void): void {
  const reading = readHash(hash)
  if (reading === 'unknown') refuse('is no hash of argon2, bcrypt, scrypt or PBKDF2 that can be verified')
  if (reading === 'costly') refuse('asks for more work than is done for a sign-in')
}

/** In CSV in one cell, with `;`, `|` or spaces between them; in JSON a list. */
function groupsOf(value: unknown, refuse: Refuse): string[] {
  const groups = typeof value === 'string' ? value.split(BETWEEN_GROUPS) : (value ?? [])
  if (!Array.isArray(groups) || !groups.every((group) => typeof group === 'string')) {
    refuse('groups', 'is no list of names')
    return []
  }
  const given = [...new Set(groups.filter((group) => group !== ''))]
  for (const group of given) refuseText(group, (reason) => refuse('groups', reason))
  return given
}
