import type { Context } from 'koa'
import { DAY } from '../kernel/clock.ts'
import { equalSecrets, hmac, sha256 } from '../kernel/secrets.ts'

/** How long a browser counts as known to an account after a sign-in. */
const KNOWN_FOR = 90 * DAY

export interface AccountCookies {
  /** The remembered device's cookie of this account. */
  device(ctx: Context, accountId: string): string | undefined
  /** `lifetime`: milliseconds. */
  keepDevice(ctx: Context, accountId: string, cookie: { value: string; lifetime: number }): void
  forgetDevice(ctx: Context, accountId: string): void
  /** Which known browser of this account this is; undefined: none (RL-8). */
  known(ctx: Context, accountId: string): string | undefined
  keepKnown(ctx: Context, accountId: string): void
}

/**
 * What a browser holds per account: the secret of a remembered device, and a mark that the account's owner has signed in with it. The
 * mark is MACed, spares nobody any proof, and only gives its holder a count of failures of its own.
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
