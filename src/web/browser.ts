import type { Context } from 'koa'
import type { AuditEvent, AuditTrail } from '../audit/audit.ts'
import { RequestError } from '../kernel/errors.ts'
import { equalSecrets, hmac, randomToken, sha256 } from '../kernel/secrets.ts'
import type { Form } from './form.ts'
import { isSecretAddress } from './secret-address.ts'

/**
 * A secret of the browser's own, older than any session: forms and pending proofs are bound to it (WE-1, WE-2, EM-5).
 */
export interface Browser {
  /** Its hash, for what is kept. */
  id: string
  /** The token of forms of this purpose, such as one interaction, in this browser. */
  csrf(purpose: string): string
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
  /** Whether this token of that purpose was made for the browser of this request. */
  issued(ctx: Context, given: { purpose: string; token: unknown }): boolean
  /**
   * Throws RequestError `csrf`, and the audit says so, unless the form came from our own page in this browser.
   * `purpose`: what its token was made for; `facts`: whose or which request it is, as far as that is known.
   */
  check(ctx: Context, form: Form, at: { purpose: string; facts?: Pick<AuditEvent, 'account' | 'interaction'> }): Browser
}

export function createBrowsers(
  { issuer, csrfKey }: BrowserOptions,
  { trail }: { trail: Pick<AuditTrail, 'record'> },
): Browsers {
  const secure = issuer.startsWith('https:')
  const name = `${secure ? '__Host-' : ''}stepgate-browser`
  const secretOf = (ctx: Context): string | undefined => {
    const secret = ctx.cookies.get(name, { signed: false })
    return secret !== undefined && SECRET.test(secret) ? secret : undefined
  }
  const browserWith = (secret: string): Browser => ({
    id: sha256(secret),
    csrf: (purpose) => hmac(csrfKey, secret, purpose),
  })
  return {
    of(ctx) {
      const known = secretOf(ctx)
      if (known !== undefined) return browserWith(known)
      const secret = randomToken()
      ctx.cookies.set(name, secret, { httpOnly: true, sameSite: 'lax', secure, path: '/', signed: false })
      return browserWith(secret)
    },
    issued(ctx, { purpose, token }) {
      const secret = secretOf(ctx)
      return secret !== undefined && typeof token === 'string' && equalSecrets(token, browserWith(secret).csrf(purpose))
    },
    check(ctx, form, { purpose, facts }) {
      const secret = secretOf(ctx)
      const browser = secret !== undefined && sameOrigin(ctx, issuer) ? browserWith(secret) : undefined
      if (browser !== undefined && equalSecrets(form.get('csrf') ?? '', browser.csrf(purpose))) return browser
      trail.record({ event: 'csrf.rejected', outcome: 'fail', ip: ctx.ip, ...facts })
      throw new RequestError('csrf')
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
