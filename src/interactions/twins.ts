import type { Context } from 'koa'

/**
 * Forms of one sign-in that are on their way at the same time. A double click sends two, and the browser shows the answer to the last:
 * the one that comes too late to be right is told where the first has led. It decides nothing and lives in one process.
 */
export interface Twins {
  /** Does the work of a form of this interaction. */
  run(ctx: Context, uid: string, work: () => Promise<void>): Promise<void>
  /** Waits for the forms that came in before this one; false: there were none. */
  earlier(ctx: Context): Promise<boolean>
}

export function createTwins(): Twins {
  const underWay = new Map<string, Set<Promise<unknown>>>()
  const before = new WeakMap<Context, Promise<unknown>[]>()
  return {
    async run(ctx, uid, work) {
      const twins = underWay.get(uid) ?? new Set()
      underWay.set(uid, twins)
      before.set(ctx, [...twins])
      const own = work()
      twins.add(own)
      try {
        await own
      } finally {
        twins.delete(own)
        if (twins.size === 0) underWay.delete(uid)
      }
    },
    async earlier(ctx) {
      const earlier = before.get(ctx) ?? []
      await Promise.allSettled(earlier)
      return earlier.length > 0
    },
  }
}
