import type { Context } from 'koa'
import type { Browser, Browsers } from '../web/browser.ts'
import type { Form } from '../web/form.ts'
import type { PageModel, Responder } from '../web/responder.ts'
import { withNotice } from './notice.ts'
import type { ActionSuccess, Visitor } from './section.ts'
import type { SignInRedirect } from './sign-in-redirect.ts'
import type { Visitors } from './visitors.ts'

/** A request of somebody who is signed in to the account page. */
export interface AccountRequest {
  ctx: Context
  browser: Browser
  visitor: Visitor
}

/** What all pages of the account have in common: who may see them, and how they answer. */
export interface AccountRequests {
  /**
   * Undefined: nobody is signed in here, or not strongly enough. Then the answer leads to the sign-in, and from there
   * to `to`.
   */
  admit(ctx: Context, to: string): Promise<AccountRequest | undefined>
  /** Throws RequestError `csrf` for a form that was made for another browser or another session (WE-1). */
  check(at: AccountRequest, form: Form): void
  /** Leads to a sign-in with a fresh second factor, and from there to `to`. */
  confirm(at: AccountRequest, to: string): void
  /** Leads to where an action wants the browser to go, with what it wants said there. */
  follow(at: AccountRequest, outcome: ActionSuccess): Promise<void>
  /** Shows a page whose forms are sent to `action`. */
  show(at: AccountRequest, model: PageModel, action: string): void
}

export interface AccountRequestsDependencies {
  visitors: Visitors
  signInRedirect: SignInRedirect
  browsers: Browsers
  responder: Responder
}

export function createAccountRequests(dependencies: AccountRequestsDependencies): AccountRequests {
  const { visitors, signInRedirect, browsers, responder } = dependencies
  return {
    async admit(ctx, to) {
      const browser = browsers.of(ctx)
      const visitor = await visitors.of(ctx, browser)
      if (visitor !== undefined) return { ctx, browser, visitor }
      signInRedirect.signIn(ctx, browser, { own: 'view', to })
      return undefined
    },
    check({ ctx, visitor }, form) {
      browsers.check(ctx, form, { purpose: purposeFor(visitor), facts: { account: visitor.account.id } })
    },
    confirm({ ctx, browser, visitor }, to) {
      signInRedirect.signIn(ctx, browser, { own: 'change', to, locale: visitor.account.locale })
    },
    async follow({ ctx, browser, visitor }, outcome) {
      const { signIn, notice, proof } = outcome
      if (proof !== undefined) await visitors.proved(ctx, visitor, proof)
      const to = notice === undefined ? outcome.to : withNotice(outcome.to, notice)
      if (signIn === undefined) return responder.redirect(ctx, to)
      const { locale } = visitor.account
      signInRedirect.signIn(ctx, browser, { own: 'view', to, acrValues: signIn.acrValues, locale })
    },
    show({ ctx, browser, visitor }, model, action) {
      const form = { action, csrf: browser.csrf(purposeFor(visitor)), step: model.name }
      responder.page(ctx, { ...model, form }, visitor.locale)
    },
  }
}

/** What the CSRF token of the forms is made for: one session. */
const purposeFor = ({ session }: Visitor): string => `account ${session.uid}`
