import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Milliseconds SQLite itself waits for another process's lock; the event loop stands still meanwhile. */
const BUSY_TIMEOUT = 250

const SCHEMA = `
  create table if not exists entries (key text primary key, value text not null, expires integer not null) strict;
  create index if not exists entries_by_expiry on entries (expires);
  create table if not exists members (
    key text not null, member text not null, expires integer not null, primary key (key, member)
  ) strict, without rowid;
  create index if not exists members_by_expiry on members (expires);
  create table if not exists latest (id integer primary key check (id = 1), time integer not null) strict;`

/** Opens the file, or `:memory:`, and makes what is missing in it. Throws what SQLite throws. */
export function openStateFile(file: string): DatabaseSync {
  if (file !== ':memory:') {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
    // SQLite gives its side files the mode of the main one.
    closeSync(openSync(file, 'a', 0o600))
    chmodSync(file, 0o600)
  }
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT })
  // Changing to WAL needs the file alone and ignores the busy timeout, and two processes may start at once.
  retryNow(() => database.exec('pragma journal_mode = wal; pragma synchronous = normal;'))
  retryNow(() => database.exec(`begin immediate; ${SCHEMA} commit;`))
  return database
}

/** For the start only: blocks the thread between attempts. */
function retryNow(work: () => void): void {
  const attempts = 40
  const between = 25
  for (let attempt = 1; ; attempt++) {
    try {
      work()
      return
    } catch (error) {
      if (!isBusy(error) || attempt === attempts) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, between)
    }
  }
}

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6

/** Whether another process holds the file: trying again helps. */
export function isBusy(error: unknown): boolean {
  // The low byte is the primary result code, the others say which kind of it.
  const code = Number((error as { errcode?: unknown }).errcode ?? 0) & 0xff
  return code === SQLITE_BUSY || code === SQLITE_LOCKED
}
