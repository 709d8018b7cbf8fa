import type { Context } from 'koa'
import { RequestError } from '../kernel/errors.ts'
import { equalSecrets, hmac, randomToken, sha256 } from '../kernel/secrets.ts'
import type { Form } from './form.ts'
import { isSecretAddress } from './secret-address.ts'

/** A secret of the browser's own, older than any session: forms and pending proofs are bound to it (WE-1, WE-2, EM-5). */
export interface Browser {
  /** Its hash, for what is kept. */
  id: string
  /** The token of forms of this interaction in this browser. */
  csrf(interaction: string): string
}

export interface BrowserOptions {
  issuer: string
  /** Of this purpose alone. */
  csrfKey: Buffer
}

const SECRET = /^[\w-]{43}$/

export interface Browsers {
  /** The browser of this request, with a new secret where it has none. */
  of(ctx: Context): Browser
  /** Throws RequestError `csrf` unless the form came from our own page in this browser. */
  check(ctx: Context, form: Form, interaction: string): Browser
}

export function createBrowsers({ issuer, csrfKey }: BrowserOptions): Browsers {
  const secure = issuer.startsWith('https:')
  const name = `${secure ? '__Host-' : ''}stepgate-browser`
  const secretOf = (ctx: Context): string | undefined => {
    const secret = ctx.cookies.get(name, { signed: false })
    return secret !== undefined && SECRET.test(secret) ? secret : undefined
  }
  const browserWith = (secret: string): Browser => ({
    id: sha256(secret),
    csrf: (interaction) => hmac(csrfKey, secret, interaction),
  })
  return {
    of(ctx) {
      const known = secretOf(ctx)
      if (known !== undefined) return browserWith(known)
      const secret = randomToken()
      ctx.cookies.set(name, secret, { httpOnly: true, sameSite: 'lax', secure, path: '/', signed: false })
      return browserWith(secret)
    },
    check(ctx, form, interaction) {
      const secret = secretOf(ctx)
      if (secret === undefined || !sameOrigin(ctx, issuer)) throw new RequestError('csrf')
      const browser = browserWith(secret)
      if (!equalSecrets(form.get('csrf') ?? '', browser.csrf(interaction))) throw new RequestError('csrf')
      return browser
    },
  }
}

/** What the browser itself says about where the form stood; old ones say nothing, and then the token decides. */
function sameOrigin(ctx: Context, issuer: string): boolean {
  const origin = ctx.get('origin')
  // A page that sends no Referer sends its forms with the origin `null` (Fetch, "append a request Origin header").
  const silent = origin === '' || (origin === 'null' && isSecretAddress(ctx.path))
  if (!silent) return origin === issuer
  const site = ctx.get('sec-fetch-site')
  return site === '' || site === 'same-origin' || site === 'none'
}
