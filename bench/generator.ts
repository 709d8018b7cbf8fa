import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Load, Order, Reply } from './load.ts'

/** The load generator's process, one order at a time. */
export interface Generator {
  obey(order: Order): Promise<Load | undefined>
  stop(): void
}

export function startGenerator(): Generator {
  const child = fork(fileURLToPath(new URL('load.ts', import.meta.url)))
  return {
    async obey(order) {
      const answer = answerOf(child)
      child.send(order)
      const reply = (await answer) as Reply
      if (!reply.ok) throw new Error(`${order.do} ${order.crowd}: ${reply.reason}`)
      return reply.load
    },
    stop: () => void child.kill(),
  }
}

/** Its next message; throws when it ends before. */
async function answerOf(child: ChildProcess): Promise<unknown> {
  const over = new AbortController()
  const { signal } = over
  try {
    const ended = once(child, 'exit', { signal }).then(([code]) => {
      throw new Error(`${child.spawnargs.at(-1)} ended (${code})`)
    })
    const [message] = await Promise.race([once(child, 'message', { signal }), ended])
    return message
  } finally {
    over.abort()
  }
}

export interface HashProcess {
  readonly pid: number
  verify(verifies: number): Promise<void>
  stop(): void
}

/** A process that does nothing but check `password` against `hash`, `concurrency` at a time. */
export function startHashProcess(order: { hash: string; password: string; concurrency: number }): HashProcess {
  const child = fork(fileURLToPath(new URL('hash-alone.ts', import.meta.url)))
  return {
    pid: child.pid ?? 0,
    async verify(verifies) {
      const answer = answerOf(child)
      child.send({ ...order, verifies })
      await answer
    },
    stop: () => void child.kill(),
  }
}
