import type { Context } from 'koa'
import { DAY } from '../kernel/clock.ts'
import { equalSecrets, hmac, sha256 } from '../kernel/secrets.ts'

/** How long a browser counts as known to an account after a sign-in. */
const KNOWN_FOR = 90 * DAY

/** The cookies that a browser holds for each account that has signed in with it. */
export interface AccountCookies {
  /** The secret of this account's remembered device; undefined: there is none. */
  device(ctx: Context, accountId: string): string | undefined
  /** `lifetime`: milliseconds. */
  keepDevice(ctx: Context, accountId: string, cookie: { value: string; lifetime: number }): void
  forgetDevice(ctx: Context, accountId: string): void
  /** The mark by which this browser is known to the account; undefined: it is not known (RL-8). */
  known(ctx: Context, accountId: string): string | undefined
  keepKnown(ctx: Context, accountId: string): void
}

/**
 * Two cookies for each account: the secret of a remembered device, and a mark that the account's owner has signed in
 * with this browser. The mark is authenticated (HMAC). It spares nobody a proof; it only gives this browser a count
 * of failures of its own, so that strangers who guess passwords do not lock the owner out.
 */
export function createAccountCookies(options: { issuer: string; key: Buffer; now: () => number }): AccountCookies {
  const secure = options.issuer.startsWith('https:')
  const prefix = secure ? '__Host-' : ''
  const nameOf = (kind: string, accountId: string): string =>
    `${prefix}stepgate-${kind}-${sha256(accountId)
      .replaceAll(/[^A-Za-z0-9]/g, '')
      .slice(0, 10)}`
  const set = (ctx: Context, name: string, cookie: { value: string | null; lifetime: number }): void => {
    const shared = { httpOnly: true, sameSite: 'lax', secure, path: '/', signed: false } as const
    ctx.cookies.set(name, cookie.value, { ...shared, maxAge: cookie.lifetime })
  }
  const markOf = (accountId: string, until: string): string => hmac(options.key, accountId, until)
  return {
    device: (ctx, accountId) => ctx.cookies.get(nameOf('device', accountId), { signed: false }),
    keepDevice: (ctx, accountId, cookie) => set(ctx, nameOf('device', accountId), cookie),
    forgetDevice: (ctx, accountId) => set(ctx, nameOf('device', accountId), { value: null, lifetime: 0 }),
    known(ctx, accountId) {
      const value = ctx.cookies.get(nameOf('known', accountId), { signed: false })
      const [until = '', mark = ''] = (value ?? '').split('.')
      const valid = Number(until) > options.now() && equalSecrets(mark, markOf(accountId, until))
      return valid ? mark : undefined
    },
    keepKnown(ctx, accountId) {
      const until = `${options.now() + KNOWN_FOR}`
      const value = `${until}.${markOf(accountId, until)}`
      set(ctx, nameOf('known', accountId), { value, lifetime: KNOWN_FOR })
    },
  }
}
