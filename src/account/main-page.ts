import type { Context } from 'koa'
import type { Account } from '../accounts/account.ts'
import { RequestError } from '../kernel/errors.ts'
import { type FormLimits, readForm } from '../web/form.ts'
import type { PageModel } from '../web/responder.ts'
import type { AccountRequest, AccountRequests } from './account-requests.ts'
import { type Notice, noticeIn, withNotice } from './notice.ts'
import type { Action, ActionFailure, Section } from './section.ts'
import { HOME } from './sign-in-redirect.ts'

/** `/account`: all sections one below the other, and the forms in them. */
export interface MainPage {
  get(ctx: Context): Promise<void>
  post(ctx: Context): Promise<void>
}

export interface MainPageDependencies {
  /** In the order of the page. */
  sections: readonly Section[]
  requests: AccountRequests
  limits: FormLimits
}

/** An action that was refused, and in which section. */
type SectionProblem = ActionFailure & { section: string }

/** A section with what its view is given. */
interface ShownSection {
  name: string
  data: Record<string, unknown> | undefined
}

export function createMainPage({ sections, requests, limits }: MainPageDependencies): MainPage {
  const actions = actionsOf(sections)

  async function show(at: AccountRequest, problem?: SectionProblem): Promise<void> {
    const { visitor, ctx } = at
    const shown = await Promise.all(
      sections.map(async (section) => ({ name: section.name, data: await section.show(visitor) })),
    )
    const said = problem === undefined ? { done: noticeIn(ctx.query) } : { problem }
    requests.show(at, modelOf(visitor.account, shown, said), HOME)
  }

  return {
    async get(ctx) {
      const at = await requests.admit(ctx, HOME)
      if (at !== undefined) await show(at)
    },
    async post(ctx) {
      const form = await readForm(ctx, limits)
      const at = await requests.admit(ctx, HOME)
      if (at === undefined) return
      requests.check(at, form)
      const found = actions.get(form.get('action') ?? '')
      if (found === undefined) throw new RequestError('bad-request')
      const { action, section } = found
      if (action.open !== true && !at.visitor.fresh) {
        // The form is not kept over the sign-in: whoever comes back fills it in again.
        return requests.confirm(at, withNotice(`${HOME}#${section}`, 'confirmed'))
      }
      const outcome = await action.act(at.visitor, form)
      if ('error' in outcome) return show(at, { ...outcome, section })
      await requests.follow(at, outcome)
    },
  }
}

/**
 * The page with these sections, and with what is said about the last action: in its section, or on top where that is
 * not shown.
 */
function modelOf(
  account: Account,
  shown: readonly ShownSection[],
  { problem, done }: { problem?: SectionProblem; done?: Notice | undefined },
): PageModel {
  const parts = shown
    .filter(({ data }) => data !== undefined)
    .map(({ name, data }) => ({
      name,
      data,
      failed: problem?.section === name,
      field: problem?.field,
      done: done?.section === name ? done.notice : undefined,
    }))
  return {
    name: 'account',
    view: 'pages/account',
    ...(problem !== undefined && { error: problem.error }),
    data: {
      parts,
      person: account.name ?? account.username,
      done: parts.some((part) => part.done !== undefined) ? undefined : done?.notice,
    },
  }
}

function actionsOf(sections: readonly Section[]): ReadonlyMap<string, { action: Action; section: string }> {
  const all = sections.flatMap(({ name, actions }) =>
    Object.entries(actions).map(([key, action]) => [key, { action, section: name }] as const),
  )
  const byName = new Map(all)
  if (byName.size !== all.length) throw new Error('two sections of the account page share the name of an action')
  return byName
}
