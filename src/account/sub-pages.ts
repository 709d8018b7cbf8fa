import type { Context } from 'koa'
import { RequestError } from '../kernel/errors.ts'
import type { PageError } from '../views/pages.ts'
import { type FormLimits, readForm } from '../web/form.ts'
import type { Responder } from '../web/responder.ts'
import type { AccountRequest, AccountRequests } from './account-requests.ts'
import type { Section, SubPage } from './section.ts'
import { HOME } from './sign-in-redirect.ts'

/** `/account/:page`: the pages to which actions of the sections lead. */
export interface SubPages {
  get(ctx: Context): Promise<void>
  post(ctx: Context): Promise<void>
}

export interface SubPagesDependencies {
  sections: readonly Section[]
  requests: AccountRequests
  responder: Responder
  limits: FormLimits
}

export function createSubPages({ sections, requests, responder, limits }: SubPagesDependencies): SubPages {
  const pages = new Map(sections.flatMap(({ pages = {} }) => Object.entries(pages)))

  function pageOf(ctx: Context): { path: string; page: SubPage } {
    const { page: name = '' } = ctx.params as { page?: string }
    const page = pages.get(name)
    if (page === undefined) throw new RequestError('not-found')
    return { path: `${HOME}/${name}`, page }
  }

  async function show(
    at: AccountRequest,
    { path, page }: { path: string; page: SubPage },
    error?: PageError,
  ): Promise<void> {
    const data = await page.show(at.visitor)
    if (data === undefined) return responder.redirect(at.ctx, HOME)
    const { name, view } = page
    requests.show(at, { name, view, ...(error !== undefined && { error }), data }, path)
  }

  return {
    async get(ctx) {
      const found = pageOf(ctx)
      const { path, page } = found
      if (ctx.method === 'HEAD') return responder.nothing(ctx)
      const at = await requests.admit(ctx, path)
      if (at === undefined) return
      if (page.open !== true && !at.visitor.fresh) return requests.confirm(at, path)
      await show(at, found)
    },
    async post(ctx) {
      const found = pageOf(ctx)
      const { path, page } = found
      if (page.post === undefined) throw new RequestError('method-not-allowed')
      const form = await readForm(ctx, limits)
      const at = await requests.admit(ctx, HOME)
      if (at === undefined) return
      requests.check(at, form)
      if (form.get('action') === 'cancel') return responder.redirect(ctx, HOME)
      if (page.open !== true && !at.visitor.fresh) return requests.confirm(at, path)
      const outcome = await page.post(at.visitor, form)
      if ('error' in outcome) return show(at, found, outcome.error)
      await requests.follow(at, outcome)
    },
  }
}
