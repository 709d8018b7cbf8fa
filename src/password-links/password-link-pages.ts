import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import type { Account } from '../accounts/account.ts'
import type { AccountAdmin } from '../accounts/account-store.ts'
import type { PasswordLinks } from '../accounts/password-links.ts'
import { passwordProblem, personalWords, samePassword } from '../accounts/password-rules.ts'
import type { Hasher } from '../accounts/passwords.ts'
import type { AuditEventName } from '../audit/audit.ts'
import type { Clock } from '../kernel/clock.ts'
import { RequestError, UnavailableError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import type { NoticeKind, Notices } from '../mail/notices.ts'
import type { Sessions } from '../mfa/session/sessions.ts'
import type { PageError } from '../views/pages.ts'
import type { Browsers } from '../web/browser.ts'
import { type Form, type FormLimits, readForm } from '../web/form.ts'
import type { Responder } from '../web/responder.ts'

/** Where a link of one kind leads, and what is said when it has done its work. */
export interface LinkPage {
  /** `data-page`, and the first part of the path. */
  name: 'activate' | 'reset'
  links: PasswordLinks
  event: AuditEventName
  /** For the audit. */
  reason: string
  notice: NoticeKind
  /** What the page of a dead link says and offers. */
  dead: { detailKey?: string; link: { href: string; key: string } }
}

export interface PasswordLinkOptions {
  pages: readonly LinkPage[]
  /** See `shortestPassword`. */
  minLength: number
  serviceName: string
}

export interface PasswordLinkDependencies {
  accounts: Pick<AccountAdmin, 'setPassword'>
  hasher: Pick<Hasher, 'hash'>
  sessions: Pick<Sessions, 'endAll'>
  notices: Notices
  browsers: Browsers
  responder: Responder
  log: Log
  clock: Clock
  limits: FormLimits
}

/**
 * The pages behind activation and reset links: GET shows the form and changes nothing, however often somebody looks
 * (WE-4); POST uses the link up, sets the password of the account that the link was made for, and ends its sessions.
 * Nobody is signed in by it, and the second factor stays what it is (PW-16).
 */
export function passwordLinkRoutes(
  { pages, minLength, serviceName }: PasswordLinkOptions,
  dependencies: PasswordLinkDependencies,
): Middleware {
  const { accounts, hasher, sessions, notices, browsers, responder, log, clock, limits } = dependencies
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

  /** What is wrong with what was typed; undefined: nothing. */
  function problemOf(form: Form, account: Account): PageError | undefined {
    const password = form.get('password') ?? ''
    if (!samePassword(password, form.get('passwordAgain') ?? '')) return { code: 'password', reason: 'different' }
    const reason = passwordProblem(password, { minLength, personal: personalWords({ ...account, serviceName }) })
    return reason && { code: 'password', reason, least: minLength }
  }

  async function setPassword(ctx: Context, at: LinkPage, given: { account: Account; hash: string }): Promise<void> {
    const { account, hash } = given
    const facts = { time: clock.now(), ip: ctx.ip, browser: ctx.get('user-agent') }
    await accounts.setPassword(account.id, hash, {
      event: at.event,
      outcome: 'ok',
      account: account.id,
      ip: ctx.ip,
      details: { reason: at.reason },
      mails: notices.of(at.notice, account, facts),
    })
    try {
      await sessions.endAll(account.id)
    } catch (error) {
      // They are dead by the change of the password; only the relying parties are not told.
      if (!(error instanceof UnavailableError)) throw error
      log.warn('sessions could not be ended one by one', { error })
    }
  }

  async function answer(ctx: Context, at: LinkPage): Promise<void> {
    const form = await readForm(ctx, limits)
    browsers.check(ctx, form, { purpose: purposeOf(ctx) })
    const token = tokenOf(ctx)
    const account = await at.links.find(token)
    if (account === undefined) return dead(ctx, at)
    const error = problemOf(form, account)
    if (error !== undefined) return show(ctx, at, { account, error })
    // Before the link is used up: a full queue must not cost its owner the link.
    const hash = await hasher.hash(form.get('password') ?? '')
    const taken = await at.links.take(token)
    if (taken === undefined) return dead(ctx, at)
    await setPassword(ctx, at, { account: taken, hash })
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

/** Forms are good for one link in one browser. */
const purposeOf = (ctx: Context): string => ctx.path

const tokenOf = (ctx: Context): string => `${(ctx.params as { token?: string }).token ?? ''}`
