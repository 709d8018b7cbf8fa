import Router from '@koa/router'
import type { Context, Middleware } from 'koa'
import { RequestError } from '../kernel/errors.ts'
import type { Step } from '../mfa/policy/steps.ts'
import type { Browser, Browsers } from '../web/browser.ts'
import { type Form, type FormLimits, readForm } from '../web/form.ts'
import type { Responder } from '../web/responder.ts'
import type { ConcurrentForms } from './concurrent-forms.ts'
import type { Consent } from './consent.ts'
import type { FormHandlers } from './form-handlers.ts'
import type { SignIn } from './sign-in.ts'
import type { SignInFlow } from './sign-in-flow.ts'
import type { SignIns } from './sign-ins.ts'
import { type StepPages, switchesAccount } from './step-pages.ts'

export interface RouteDependencies {
  browsers: Browsers
  signIns: SignIns
  pages: StepPages
  formHandlers: FormHandlers
  flow: SignInFlow
  consent: Consent
  concurrentForms: ConcurrentForms
  responder: Responder
  limits: FormLimits
}

/** The pages of a sign-in, all at one address: GET shows where it stands, POST moves it on. */
export function interactionRoutes(dependencies: RouteDependencies): Middleware {
  const { browsers, signIns, pages, formHandlers, flow, consent, concurrentForms, responder, limits } = dependencies
  const router = new Router()

  async function loaded(ctx: Context, uid: string, browser: Browser): Promise<SignIn> {
    return signIns.load(ctx, { uid, browser, locale: (uiLocales, chosen) => responder.locale(ctx, uiLocales, chosen) })
  }

  async function answer(ctx: Context, signIn: SignIn, form: Form): Promise<void> {
    const { interaction } = signIn
    if (interaction.finished !== undefined) {
      await concurrentForms.waitForEarlier(ctx)
      return responder.redirect(ctx, interaction.finished)
    }
    if (form.get('action') === 'cancel') return flow.cancel(ctx, signIn)
    if (interaction.prompt.name !== 'consent') return formHandlers.act(ctx, signIn, form)
    responder.redirect(ctx, await consent.answer(ctx, interaction, form))
  }

  router.get('/interaction/:uid', async (ctx) => {
    const signIn = await loaded(ctx, uidIn(ctx.params), browsers.of(ctx))
    const { interaction } = signIn
    if (interaction.finished !== undefined) return responder.redirect(ctx, interaction.finished)
    // A link checker that only looks makes no code, sends no mail and finishes nothing (WE-4).
    if (ctx.method === 'HEAD') return responder.nothing(ctx)
    if (interaction.prompt.name === 'consent') return pages.send(ctx, signIn, consent.page(interaction))
    if (ENDINGS.has(signIn.step.kind) && !switchesAccount(signIn)) return flow.moveOn(ctx, signIn)
    await pages.show(ctx, signIn)
  })

  router.post('/interaction/:uid', async (ctx) => {
    const uid = uidIn(ctx.params)
    const form = await readForm(ctx, limits)
    const browser = browsers.check(ctx, form, { purpose: uid, facts: { interaction: uid } })
    await concurrentForms.run(ctx, { uid, browser }, async () => answer(ctx, await loaded(ctx, uid, browser), form))
  })

  router.all('/interaction/:uid', () => {
    throw new RequestError('method-not-allowed')
  })
  return router.routes() as Middleware
}

const UID = /^[\w-]{16,64}$/

/** Anything else names no interaction, and is passed on to nobody, the audit log included. */
function uidIn({ uid = '' }: { uid?: string }): string {
  if (!UID.test(uid)) throw new RequestError('not-found')
  return uid
}

/** Steps in which there is nothing to show. */
const ENDINGS: ReadonlySet<Step['kind']> = new Set(['done', 'unmet', 'denied'])
