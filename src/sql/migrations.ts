import { type Kysely, sql } from 'kysely'
import type { Migration, MigrationProvider } from 'kysely/migration'

export type DatabaseKind = 'postgres' | 'sqlite'

/** What a column type is called, and how a table ends. `key` compares byte by byte in both. */
const WORDS = {
  postgres: { key: 'text collate "C"', number: 'bigint', flag: 'smallint', end: '' },
  sqlite: { key: 'text', number: 'integer', flag: 'integer', end: ' strict' },
}

type Statements = (words: (typeof WORDS)[DatabaseKind]) => string[]

/** In the order of their names; what has run anywhere is never changed again. */
const MIGRATIONS: Record<string, Statements> = {
  '001-accounts': ({ key, number, flag, end }) => [
    `create table accounts (
      id ${key} primary key,
      username text not null,
      login_key ${key} not null,
      email text,
      email_verified ${flag} not null check (email_verified in (0, 1)),
      name text,
      "groups" text not null,
      admin ${flag} not null check (admin in (0, 1)),
      locale text,
      disabled ${flag} not null check (disabled in (0, 1)),
      password_hash text,
      password_epoch ${number} not null,
      factor_epoch ${number} not null,
      session_epoch ${number} not null,
      created_at ${number} not null,
      updated_at ${number} not null
    )${end}`,
    'create index accounts_by_login_key on accounts (login_key)',
    `create table logins (
      key ${key} primary key,
      account_id ${key} not null references accounts (id) on delete cascade
    )${end}`,
    'create index logins_by_account on logins (account_id)',
    `create table bindings (
      id ${key} primary key,
      account_id ${key} not null references accounts (id) on delete cascade,
      type ${key} not null,
      label text,
      record text not null,
      version ${number} not null,
      bound_at ${number} not null,
      last_used_at ${number}
    )${end}`,
    'create index bindings_by_account on bindings (account_id)',
    `create table attempts (
      account_id ${key} not null references accounts (id) on delete cascade,
      type ${key} not null,
      failures ${number} not null,
      primary key (account_id, type)
    )${end}`,
    `create table signing_keys (
      kid ${key} primary key,
      alg text not null,
      status text not null,
      jwk text not null,
      created_at ${number} not null
    )${end}`,
    `create table settings (name ${key} primary key, value text not null)${end}`,
    // No foreign key: what happened outlives the account it happened to.
    `create table audit (
      id ${key} primary key,
      time ${number} not null,
      event text not null,
      outcome text not null,
      account ${key},
      client text,
      ip text,
      interaction text,
      details text
    )${end}`,
    'create index audit_by_account on audit (account, id)',
    'create index audit_by_time on audit (time)',
  ],
  '002-postponements': ({ key, number, end }) => [
    `create table postponements (
      account_id ${key} not null references accounts (id) on delete cascade,
      rule ${key} not null,
      first_at ${number} not null,
      times ${number} not null,
      primary key (account_id, rule)
    )${end}`,
  ],
  '003-outbox': ({ key, number, end }) => [
    `create table outbox (
      id ${key} primary key,
      recipient text not null,
      template text not null,
      locale text not null,
      data text not null,
      created_at ${number} not null,
      due_at ${number} not null,
      held_until ${number} not null,
      tries ${number} not null,
      account ${key}
    )${end}`,
    'create index outbox_by_due on outbox (due_at)',
  ],
  // What a key is used for follows from its age.
  '004-key-age': () => ['alter table signing_keys drop column status'],
}

/**
 * Those that take nothing away and that programs which do not know them can go on beside: what stood there before is
 * read and written as it was. While replicas are exchanged one by one, the old ones live with them
 * (docs/decisions/stored-formats.md).
 */
const ADDITIVE: ReadonlySet<string> = new Set([])

/** What this program knows of the schema. */
export interface SchemaKnowledge {
  /** Every migration, in their order. */
  names: readonly string[]
  /** The last one that a program has to know. */
  needed: string
}

export const KNOWN_SCHEMA: SchemaKnowledge = {
  names: Object.keys(MIGRATIONS),
  needed: Object.keys(MIGRATIONS).findLast((name) => !ADDITIVE.has(name)) ?? '',
}

export function createMigrations(kind: DatabaseKind): MigrationProvider {
  const entries = Object.entries(MIGRATIONS).map(([name, statements]): [string, Migration] => [
    name,
    { up: (database) => run(database, statements(WORDS[kind])) },
  ])
  return { getMigrations: async () => Object.fromEntries(entries) }
}

async function run(database: Kysely<unknown>, statements: string[]): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(database)
}
