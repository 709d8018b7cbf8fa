import type { Clock } from '../kernel/clock.ts'
import { messageOf } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { createCounters } from './embedded/counters.ts'
import { openStateFile } from './embedded/file.ts'
import { run } from './embedded/run.ts'
import { prepareStatements } from './embedded/statements.ts'
import { createSteadyTime } from './embedded/steady-time.ts'
import { startSweeper } from './embedded/sweeper.ts'
import type { StateStore } from './store.ts'
import { wholeMilliseconds } from './ttl.ts'

/**
 * The state of a single machine in one SQLite file (mode 0600), or in `:memory:`. Several processes may share the file;
 * what they hold survives a restart. Throws what SQLite throws when the file cannot be opened.
 */
export function createEmbeddedState(options: { file: string }, dependencies: { clock: Clock; log: Log }): StateStore {
  const { clock, log } = dependencies
  const database = openStateFile(options.file)
  const statements = prepareStatements(database)
  const now = createSteadyTime({ clock, log, from: Number(statements.latest.get()?.time ?? 0) })
  const sweeper = startSweeper(statements, { now, log })

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
    ...createCounters(statements, now),
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
      sweeper.stop()
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
