import type { DatabaseSync } from 'node:sqlite'

export type EmbeddedStatements = ReturnType<typeof prepareStatements>

/** One statement for each operation: SQLite makes each atomic, between processes too. */
export function prepareStatements(database: DatabaseSync) {
  return {
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
    latest: database.prepare('select time from latest'),
    remember: database.prepare(
      'insert into latest (id, time) values (1, ?) on conflict (id) do update set time = max(time, excluded.time)',
    ),
  }
}
