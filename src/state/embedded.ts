import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { type Clock, SECOND } from '../kernel/clock.ts'
import { messageOf, UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { randomToken } from '../kernel/secrets.ts'
import type { StateKey, StateStore } from './store.ts'
import { wholeMilliseconds } from './ttl.ts'

/** Milliseconds SQLite itself waits for another process's lock; the event loop stands still meanwhile. */
const BUSY_TIMEOUT = 250
/** Milliseconds to wait, off the event loop, before each further attempt. */
const RETRY_AFTER = [20, 50, 100]
const SWEEP_INTERVAL = 30 * SECOND
/** Rows removed in one go: few enough that nobody waits for it. */
const SWEEP_BATCH = 500
/** A clock that went back further than this is worth a line in the log (FA-8). */
const JUMP_ALARM = 5 * SECOND

const SCHEMA = `
  create table if not exists entries (key text primary key, value text not null, expires integer not null) strict;
  create index if not exists entries_by_expiry on entries (expires);
  create table if not exists members (
    key text not null, member text not null, expires integer not null, primary key (key, member)
  ) strict, without rowid;
  create index if not exists members_by_expiry on members (expires);
  create table if not exists latest (id integer primary key check (id = 1), time integer not null) strict;`

/**
 * The state of a single machine in one SQLite file (mode 0600), or in `:memory:`. Several processes may share the file; what
 * they hold survives a restart. Throws what SQLite throws when the file cannot be opened.
 */
export function createEmbeddedState(options: { file: string }, dependencies: { clock: Clock; log: Log }): StateStore {
  const { clock, log } = dependencies
  const database = openDatabase(options.file)
  const now = createSteadyTime({ clock, log, from: latestTime(database) })

  // One statement per operation: SQLite makes each atomic, between processes too.
  const statements = {
    get: database.prepare('select value from entries where key = ? and expires > ?'),
    set: database.prepare(
      `insert into entries (key, value, expires) values (?, ?, ?)
       on conflict (key) do update set value = excluded.value, expires = excluded.expires`,
    ),
    add: database.prepare(
      `insert into entries (key, value, expires) values (?, ?, ?)
       on conflict (key) do update set value = excluded.value, expires = excluded.expires where entries.expires <= ?`,
    ),
    take: database.prepare('delete from entries where key = ? returning value, expires'),
    increment: database.prepare(
      `insert into entries (key, value, expires) values (:key, '1', :expires)
       on conflict (key) do update set
         value = case when expires <= :now then '1' else cast(cast(value as integer) + 1 as text) end,
         expires = case when expires <= :now then excluded.expires else expires end
       returning value`,
    ),
    // The value is the number of places held, then the window's name.
    reserve: database.prepare(
      `insert into entries (key, value, expires) values (:key, '1 ' || :name, :expires)
       on conflict (key) do update set
         value = case when expires <= :now then excluded.value
           else (cast(value as integer) + 1) || substr(value, instr(value, ' ')) end,
         expires = case when expires <= :now then excluded.expires else expires end
       where expires <= :now or cast(value as integer) < :places
       returning value`,
    ),
    release: database.prepare(
      `update entries set value = (cast(value as integer) - 1) || ' ' || :name
       where key = :key and expires > :now and substr(value, instr(value, ' ') + 1) = :name and cast(value as integer) > 0`,
    ),
    waitFor: database.prepare(
      'select expires from entries where key = :key and expires > :now and cast(value as integer) >= :places',
    ),
    replace: database.prepare('update entries set value = ?, expires = ? where key = ? and value = ? and expires > ?'),
    remove: database.prepare('delete from entries where key = ?'),
    removeIndex: database.prepare('delete from members where key = ?'),
    indexAdd: database.prepare(
      `insert into members (key, member, expires) values (?, ?, ?)
       on conflict (key, member) do update set expires = max(expires, excluded.expires)`,
    ),
    indexList: database.prepare('select member from members where key = ? and expires > ?'),
    indexRemove: database.prepare('delete from members where key = ? and member = ?'),
    ping: database.prepare('select count(*) from (select 1 from entries limit 1)'),
    sweepEntries: database.prepare(
      'delete from entries where rowid in (select rowid from entries where expires <= ? limit ?)',
    ),
    sweepMembers: database.prepare(
      'delete from members where (key, member) in (select key, member from members where expires <= ? limit ?)',
    ),
    remember: database.prepare(
      'insert into latest (id, time) values (1, ?) on conflict (id) do update set time = max(time, excluded.time)',
    ),
  }

  async function run<R>(operation: () => R): Promise<R> {
    for (let attempt = 0; ; attempt++) {
      try {
        return operation()
      } catch (error) {
        const wait = RETRY_AFTER[attempt]
        if (!isBusy(error) || wait === undefined) throw new UnavailableError('sqlite', { cause: error })
        await pause(wait)
      }
    }
  }

  function untilFree(key: StateKey, places: number, time: number): number | undefined {
    const expires = statements.waitFor.get({ key, places, now: time })?.expires as number | undefined
    return expires === undefined ? undefined : expires - time
  }

  function sweep(): void {
    let removed = 0
    try {
      const time = now()
      removed = Math.max(
        Number(statements.sweepEntries.run(time, SWEEP_BATCH).changes),
        Number(statements.sweepMembers.run(time, SWEEP_BATCH).changes),
      )
      statements.remember.run(time)
    } catch (error) {
      // Expired rows are invisible anyway, and the next turn tries again.
      if (!isBusy(error)) log.warn('expired state could not be removed', { reason: messageOf(error) })
    }
    timer = setTimeout(sweep, removed < SWEEP_BATCH ? SWEEP_INTERVAL : SECOND).unref()
  }
  let timer = setTimeout(sweep, SWEEP_INTERVAL).unref()

  return {
    get: (key) => run(() => statements.get.get(key, now())?.value as string | undefined),
    async set(key, value, ttl) {
      const milliseconds = wholeMilliseconds(ttl)
      await run(() => statements.set.run(key, value, now() + milliseconds))
    },
    async add(key, value, ttl) {
      const milliseconds = wholeMilliseconds(ttl)
      return await run(() => {
        const time = now()
        return statements.add.run(key, value, time + milliseconds, time).changes > 0
      })
    },
    take: (key) =>
      run(() => {
        const row = statements.take.get(key) as { value: string; expires: number } | undefined
        return row !== undefined && row.expires > now() ? row.value : undefined
      }),
    async increment(key, window) {
      const milliseconds = wholeMilliseconds(window)
      return await run(() => {
        const time = now()
        return Number(statements.increment.get({ key, now: time, expires: time + milliseconds })?.value)
      })
    },
    async reserve(key, places, window) {
      const milliseconds = wholeMilliseconds(window)
      return await run(() => {
        const time = now()
        const given = { key, places, now: time, name: randomToken(9), expires: time + milliseconds }
        const held = statements.reserve.get(given)?.value as string | undefined
        if (held !== undefined) {
          const [count, name = ''] = held.split(' ')
          return { granted: true, left: places - Number(count), window: name }
        }
        return { granted: false, wait: Math.max(1, untilFree(key, places, time) ?? 1) }
      })
    },
    async release(key, reservation) {
      await run(() => statements.release.run({ key, now: now(), name: reservation.window }))
    },
    waitFor: (key, places) => run(() => untilFree(key, places, now())),
    async compareAndSet(key, expected, value, ttl) {
      const milliseconds = wholeMilliseconds(ttl)
      return await run(() => {
        const time = now()
        return statements.replace.run(value, time + milliseconds, key, expected, time).changes > 0
      })
    },
    async delete(...keys) {
      for (const key of keys) {
        await run(() => statements.remove.run(key))
        await run(() => statements.removeIndex.run(key))
      }
    },
    async indexAdd(index, member, ttl) {
      const milliseconds = wholeMilliseconds(ttl)
      await run(() => statements.indexAdd.run(index, member, now() + milliseconds))
    },
    indexList: (index) => run(() => statements.indexList.all(index, now()).map((row) => row.member as string)),
    async indexRemove(index, ...members) {
      for (const member of members) await run(() => statements.indexRemove.run(index, member))
    },
    async ping() {
      await run(() => statements.ping.get())
    },
    async close() {
      clearTimeout(timer)
      if (!database.isOpen) return
      try {
        statements.remember.run(now())
      } catch (error) {
        log.warn('the time of closing could not be kept', { reason: messageOf(error) })
      }
      database.close()
    },
  }
}

function openDatabase(file: string): DatabaseSync {
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

function latestTime(database: DatabaseSync): number {
  return Number(database.prepare('select time from latest').get()?.time ?? 0)
}

/**
 * Time that never goes back: what was over stays over when the system's clock is set back (FA-8), and later times to live still
 * run at their pace, because the difference is added from then on.
 */
function createSteadyTime({ clock, log, from }: { clock: Clock; log: Log; from: number }): () => number {
  let ahead = 0
  let last = from
  return () => {
    const time = clock.now() + ahead
    if (time >= last) {
      last = time
      return time
    }
    const back = last - time
    if (back > JUMP_ALARM) log.warn('the clock went back', { milliseconds: back })
    ahead += back
    return last
  }
}

const SQLITE_BUSY = 5
const SQLITE_LOCKED = 6

function isBusy(error: unknown): boolean {
  // The low byte is the primary result code, the others say which kind of it.
  const code = Number((error as { errcode?: unknown }).errcode ?? 0) & 0xff
  return code === SQLITE_BUSY || code === SQLITE_LOCKED
}
