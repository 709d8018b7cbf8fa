import type { Context } from 'koa'
import { OWN_CLIENTS } from '../config/own-clients.ts'
import { equalSecrets, randomToken } from '../kernel/secrets.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'
import type { Browser } from '../web/browser.ts'
import type { Responder } from '../web/responder.ts'
import { SIGNED_IN } from './own-clients.ts'
import type { Visitors } from './visitors.ts'

/** Where somebody goes after a sign-in for the account page. */
interface ReturnTo {
  own: OwnPage
  /** A path from `/account` on. */
  to: string
  /** Levels of which the sign-in has to reach one, beside what policy asks. */
  acrValues?: string
  /** The language of its pages (BCP 47). */
  locale?: string | undefined
}

/** The way to the sign-in and back, through the gateway's own authorization endpoint. */
export interface SignInRedirect {
  signIn(ctx: Context, browser: Browser, returnTo: ReturnTo): void
  /** Somebody comes back, with an authorization code that nobody needs, or with an error. */
  arrived(ctx: Context, browser: Browser): Promise<void>
}

export const HOME = '/account'

export function createSignInRedirect(
  { issuer }: { issuer: string },
  { visitors, responder }: { visitors: Visitors; responder: Responder },
): SignInRedirect {
  /** Whoever comes back without what they were sent for is not sent there again, because that would be a loop. */
  function notIn(ctx: Context, to: string): void {
    const link = { href: to, key: 'start-again' }
    const answer = { name: 'error', view: 'pages/error', error: { code: 'not-signed-in' }, data: { link } } as const
    responder.page(ctx, answer, responder.locale(ctx))
  }

  return {
    signIn(ctx, browser, { own, to, acrValues, locale }) {
      const query = new URLSearchParams({
        client_id: OWN_CLIENTS[own],
        redirect_uri: `${issuer}${SIGNED_IN}`,
        response_type: 'code',
        scope: 'openid',
        state: sealed(browser, { own, to }),
        // A random challenge: there is no verifier for it, so nobody can redeem the code.
        code_challenge: randomToken(),
        code_challenge_method: 'S256',
      })
      if (acrValues !== undefined) query.set('acr_values', acrValues)
      if (locale !== undefined) query.set('ui_locales', locale)
      responder.redirect(ctx, `/auth?${query}`)
    },
    async arrived(ctx, browser) {
      const { own, to } = opened(browser, ctx.query.state) ?? { own: 'view', to: HOME }
      const visitor = await visitors.of(ctx, browser)
      if (visitor === undefined) return notIn(ctx, HOME)
      // A change that was not confirmed leaves everything as it is.
      if (ctx.query.error !== undefined) return responder.redirect(ctx, HOME)
      if (own === 'change' && !visitor.fresh) return notIn(ctx, HOME)
      responder.redirect(ctx, to)
    },
  }
}

/**
 * The way back travels through the address bar; it is signed for this browser, so that nobody else can make one up
 * (WE-8).
 */
function sealed(browser: Browser, { own, to }: Pick<ReturnTo, 'own' | 'to'>): string {
  const text = `${own} ${to}`
  return `${Buffer.from(text).toString('base64url')}.${browser.csrf(`return ${text}`)}`
}

/** The way back that `sealed` has made for this browser; undefined for anything else. */
function opened(browser: Browser, state: unknown): Pick<ReturnTo, 'own' | 'to'> | undefined {
  const [encoded = '', mac = ''] = typeof state === 'string' ? state.split('.') : []
  const text = Buffer.from(encoded, 'base64url').toString('utf8')
  if (!equalSecrets(mac, browser.csrf(`return ${text}`))) return undefined
  const [own = '', to = HOME] = text.split(' ')
  return { own: own === 'change' ? own : 'view', to }
}
