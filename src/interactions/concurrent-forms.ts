import type { Context } from 'koa'
import type { Browser } from '../web/browser.ts'

/**
 * Forms of one sign-in that are on their way at the same time. A double click sends two forms, and the browser drops
 * the answer to the first one; the second, which comes too late to be right, is told where the first one has led.
 * Nothing is decided here. Only forms that this process received are known, in the order in which they arrived.
 */
export interface ConcurrentForms {
  /** Does the work of one form of this browser in this interaction. */
  run(ctx: Context, at: { uid: string; browser: Browser }, work: () => Promise<void>): Promise<void>
  /**
   * To be called inside `run`: waits for the forms that came in before this one. The cookies that they have set are
   * set by this answer too, because the browser may have dropped theirs; of each name the last one counts.
   */
  waitForEarlier(ctx: Context): Promise<void>
}

/** A form, as later ones see it. */
interface Entry {
  work: Promise<void>
  /** The `Set-Cookie` lines of its own, without those it took over from others. */
  cookies(): readonly string[]
}

/** A form, as it sees itself. */
interface Own {
  /** Those that came in before it. */
  forms: readonly Entry[]
  /** The cookies it had set before it took over those of others. */
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
