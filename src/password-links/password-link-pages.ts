import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { PasswordLinks } from '../accounts/password-links.ts'
import type { Hasher } from '../accounts/passwords.ts'
import { RequestError } from '../kernel/errors.ts'
import type { PageError } from '../views/pages.ts'
import type { Browsers } from '../web/browser.ts'
import { type FormLimits, readForm } from '../web/form.ts'
import type { Responder } from '../web/responder.ts'
import {
  createNewPasswords,
  type NewPasswordDependencies,
  type NewPasswordFacts,
  newPasswordProblem,
} from './new-password.ts'

/** Where a link of one kind leads, and how the password that it sets is told of. */
export interface LinkPage extends NewPasswordFacts {
  /** The value of the page's `data-page` attribute, and the first part of its path. */
  name: 'activate' | 'reset'
  links: PasswordLinks
  /** What the page of a link that is used up or too old says and offers. */
  dead: { detailKey?: string; link: { href: string; key: string } }
}

export interface PasswordLinkOptions {
  pages: readonly LinkPage[]
  /** Characters that a new password needs at least, see `shortestPassword`. */
  minLength: number
  serviceName: string
}

export interface PasswordLinkDependencies extends NewPasswordDependencies {
  hasher: Pick<Hasher, 'hash'>
  browsers: Browsers
  responder: Responder
  limits: FormLimits
}

/**
 * The pages behind activation and reset links. GET shows the form and changes nothing, however often somebody looks
 * (WE-4). POST uses the link up, sets the password of the account for which the link was made, and ends its sessions.
 * It signs nobody in, and the second factor stays what it is (PW-16).
 */
export function passwordLinkRoutes(
  { pages, minLength, serviceName }: PasswordLinkOptions,
  dependencies: PasswordLinkDependencies,
): Middleware {
  const { hasher, browsers, responder, limits } = dependencies
  const setPassword = createNewPasswords(dependencies)
  const router = new Router()

  function show(ctx: Context, at: LinkPage, given: { account: Account; error?: PageError }): void {
    const { account, error } = given
    const form = { action: ctx.path, csrf: browsers.of(ctx).csrf(purposeOf(ctx)), step: at.name }
    const data = { username: account.username, least: minLength }
    const answer = { name: at.name, view: `pages/${at.name}`, form, data, ...(error !== undefined && { error }) }
    responder.page(ctx, answer, responder.locale(ctx, undefined, account.locale))
  }

  function dead(ctx: Context, { dead: data }: LinkPage): void {
    const error = { code: 'expired', reason: 'link' } as const
    responder.page(ctx, { name: 'error', view: 'pages/error', error, data }, responder.locale(ctx))
  }

  async function answer(ctx: Context, at: LinkPage): Promise<void> {
    const form = await readForm(ctx, limits)
    browsers.check(ctx, form, { purpose: purposeOf(ctx) })
    const token = tokenOf(ctx)
    const account = await at.links.find(token)
    if (account === undefined) return dead(ctx, at)
    const error = newPasswordProblem(form, account, { minLength, serviceName })
    if (error !== undefined) return show(ctx, at, { account, error })
    // Before the link is used up: when the queue for hashing is full, its owner keeps the link.
    const hash = await hasher.hash(form.get('password') ?? '')
    const taken = await at.links.take(token)
    if (taken === undefined) return dead(ctx, at)
    const { event, reason, notice } = at
    await setPassword(taken, hash, { event, reason, notice, ip: ctx.ip, userAgent: ctx.get('user-agent') })
    responder.redirect(ctx, `/${at.name}/done`)
  }

  for (const at of pages) {
    router.get(`/${at.name}/done`, (ctx) => {
      const data = { name: 'password-set', view: 'pages/password-set', data: {} }
      responder.page(ctx, data, responder.locale(ctx))
    })
    router.get(`/${at.name}/:token`, async (ctx) => {
      if (ctx.method === 'HEAD') return responder.nothing(ctx)
      const account = await at.links.find(tokenOf(ctx))
      if (account === undefined) return dead(ctx, at)
      show(ctx, at, { account })
    })
    router.post(`/${at.name}/:token`, (ctx) => answer(ctx, at))
    router.all(`/${at.name}/:token`, () => {
      throw new RequestError('method-not-allowed')
    })
  }
  return router.routes() as Middleware
}

/** A form is good for one link in one browser. */
const purposeOf = (ctx: Context): string => ctx.path

const tokenOf = (ctx: Context): string => `${(ctx.params as { token?: string }).token ?? ''}`
