import type { Middleware } from 'koa'

/** Counts what handlers of requests are at, from a request's arrival until its handler has come to its end. */
export interface WorkUnderWay {
  /** Outermost. A client that hangs up ends nothing: its handler goes on, and what it begins is waited for. */
  middleware: Middleware
  readonly count: number
  /** Resolves when there is none. */
  none(): Promise<void>
}

export function createWorkUnderWay(): WorkUnderWay {
  let count = 0
  let waiting: (() => void)[] = []

  function ended(): void {
    count--
    if (count > 0) return
    for (const resolve of waiting) resolve()
    waiting = []
  }

  return {
    async middleware(_ctx, next) {
      count++
      try {
        await next()
      } finally {
        ended()
      }
    },
    get count() {
      return count
    },
    none() {
      return count === 0 ? Promise.resolve() : new Promise((resolve) => void waiting.push(resolve))
    },
  }
}
