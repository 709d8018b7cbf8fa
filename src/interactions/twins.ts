import type { Context } from 'koa'

/**
 * Forms of one sign-in that are on their way at the same time. A double click sends two, and the browser drops the answer to the first: the
 * second, which comes too late to be right, is told where the first has led. It decides nothing, and knows of the forms of one process.
 */
export interface Twins {
  /** Does the work of a form of this interaction. */
  run(ctx: Context, uid: string, work: () => Promise<void>): Promise<void>
  /**
   * Waits for the forms that came in before this one, inside `run`; false: there were none. Their cookies go out once more with this answer,
   * for they are the same browser's.
   */
  waitForEarlier(ctx: Context): Promise<boolean>
}

interface Entry {
  ctx: Context
  work: Promise<void>
}

export function createTwins(): Twins {
  const underWay = new Map<string, Set<Entry>>()
  const earlier = new WeakMap<Context, Entry[]>()
  return {
    async run(ctx, uid, work) {
      const twins = underWay.get(uid) ?? new Set()
      earlier.set(ctx, [...twins])
      const own = { ctx, work: work() }
      underWay.set(uid, twins.add(own))
      try {
        await own.work
      } finally {
        twins.delete(own)
        if (twins.size === 0) underWay.delete(uid)
      }
    },
    async waitForEarlier(ctx) {
      const twins = earlier.get(ctx)
      if (twins === undefined) throw new Error('a form that nobody runs')
      await Promise.allSettled(twins.map(({ work }) => work))
      for (const twin of twins) ctx.append('set-cookie', cookiesOf(twin.ctx))
      return twins.length > 0
    },
  }
}

function cookiesOf(ctx: Context): string[] {
  const lines = ctx.response.headers['set-cookie']
  return lines === undefined ? [] : [lines].flat().map(String)
}
