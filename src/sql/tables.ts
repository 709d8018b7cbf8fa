/**
 * One row type per table, the same in PostgreSQL and SQLite: flags are 0 or 1, times are milliseconds, lists and
 * objects are JSON.
 */
export interface Tables {
  accounts: AccountRow
  logins: LoginRow
  bindings: BindingRow
  attempts: AttemptsRow
  postponements: PostponementRow
  signing_keys: SigningKeyRow
  settings: SettingRow
  audit: AuditRow
  outbox: OutboxRow
}

export interface AccountRow {
  id: string
  username: string
  login_key: string
  email: string | null
  email_verified: number
  name: string | null
  groups: string
  admin: number
  locale: string | null
  disabled: number
  password_hash: string | null
  password_epoch: number
  factor_epoch: number
  session_epoch: number
  created_at: number
  updated_at: number
}

/** What people sign in with: names and addresses in one space, so that none of one account equals one of another. */
interface LoginRow {
  key: string
  account_id: string
}

export interface BindingRow {
  id: string
  account_id: string
  type: string
  label: string | null
  /** Sealed. */
  record: string
  version: number
  bound_at: number
  last_used_at: number | null
}

interface AttemptsRow {
  account_id: string
  type: string
  failures: number
}

interface PostponementRow {
  account_id: string
  rule: string
  first_at: number
  times: number
}

export interface SigningKeyRow {
  kid: string
  alg: string
  /** Sealed. */
  jwk: string
  created_at: number
}

interface SettingRow {
  name: string
  value: string
}

export interface AuditRow {
  id: string
  time: number
  event: string
  outcome: string
  account: string | null
  client: string | null
  ip: string | null
  interaction: string | null
  details: string | null
}

export interface OutboxRow {
  id: string
  recipient: string
  template: string
  locale: string
  /** JSON. */
  data: string
  created_at: number
  /** Not before. */
  due_at: number
  /** Whoever claimed it has it until then. */
  held_until: number
  tries: number
  account: string | null
}
