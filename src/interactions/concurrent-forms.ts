import type { Context } from 'koa'
import type { Browser } from '../web/browser.ts'

/**
 * Forms of one sign-in that are on their way at the same time. A double click sends two, and the browser drops the answer to the first: the
 * second, which comes too late to be right, is told where the first has led. It decides nothing, and knows of the forms of
 * one process, in the order in which they arrived.
 */
export interface ConcurrentForms {
  /** Does the work of a form of this browser in this interaction. */
  run(ctx: Context, at: { uid: string; browser: Browser }, work: () => Promise<void>): Promise<void>
  /**
   * Waits for the forms that came in before this one, inside `run`. What cookies they have set themselves goes out once more with this
   * answer: of each name the last.
   */
  waitForEarlier(ctx: Context): Promise<void>
}

/** A form as later ones see it. */
interface Entry {
  work: Promise<void>
  /** Its own `Set-Cookie` lines, as far as it has none of others with it. */
  cookies(): readonly string[]
}

/** A form as it sees itself. */
interface Own {
  forms: readonly Entry[]
  /** Cookies it had set before it took over those of others. */
  cookies: readonly string[] | undefined
}

export function createConcurrentForms(): ConcurrentForms {
  const underWay = new Map<string, Set<Entry>>()
  const earlier = new WeakMap<Context, Own>()
  return {
    async run(ctx, { uid, browser }, work) {
      const key = `${uid} ${browser.id}`
      const forms = underWay.get(key) ?? new Set()
      const own: Own = { forms: [...forms], cookies: undefined }
      earlier.set(ctx, own)
      const entry = { work: work(), cookies: () => own.cookies ?? cookiesOf(ctx) }
      underWay.set(key, forms.add(entry))
      try {
        await entry.work
      } finally {
        forms.delete(entry)
        if (forms.size === 0) underWay.delete(key)
      }
    },
    async waitForEarlier(ctx) {
      const own = earlier.get(ctx)
      if (own === undefined) throw new Error('a form that nobody runs')
      own.cookies = cookiesOf(ctx)
      await Promise.allSettled(own.forms.map(({ work }) => work))
      const lines = own.forms.flatMap(({ cookies }) => cookies())
      const lastOfEach = new Map([...lines, ...own.cookies].map((line) => [line.split('=', 1)[0], line]))
      if (lastOfEach.size > 0) ctx.set('set-cookie', [...lastOfEach.values()])
    },
  }
}

function cookiesOf(ctx: Context): string[] {
  const lines = ctx.response.headers['set-cookie']
  return lines === undefined ? [] : [lines].flat().map(String)
}
