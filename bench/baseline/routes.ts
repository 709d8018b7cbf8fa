import { fileURLToPath } from 'node:url'
import Router from '@koa/router'
import ejs from 'ejs'
import type { Context } from 'koa'
import type Provider from 'oidc-provider'
import { PASSWORD, TWO_FACTORS } from './configuration.ts'
import type { People } from './people.ts'

const VIEWS = fileURLToPath(new URL('views', import.meta.url))
const LIMIT = 16_384

/** Two pages, two interactions: the password form of the login prompt and the code form of the `mfa` prompt. */
export function createRoutes(provider: Provider, people: People): Router {
  const router = new Router()

  router.get('/interaction/:uid', async (ctx) => {
    const { prompt, uid, params } = await provider.interactionDetails(ctx.req, ctx.res)
    await page(ctx, prompt.name === 'mfa' ? 'code' : 'login', { uid, hint: params.login_hint ?? '', error: undefined })
  })

  router.post('/interaction/:uid/login', async (ctx) => {
    const { uid } = await provider.interactionDetails(ctx.req, ctx.res)
    const form = await formOf(ctx)
    const username = form.get('username') ?? ''
    const person = await people.authenticate(username, form.get('password') ?? '')
    if (person === undefined) {
      ctx.status = 401
      return page(ctx, 'login', { uid, hint: username, error: 'The user name or the password is wrong.' })
    }
    const login = { accountId: person.id, acr: PASSWORD, amr: ['pwd'] }
    await finish(ctx, provider, { login })
  })

  router.post('/interaction/:uid/code', async (ctx) => {
    const { uid, session, prompt } = await provider.interactionDetails(ctx.req, ctx.res)
    const form = await formOf(ctx)
    const accountId = session?.accountId ?? ''
    if (!(await people.checkCode(accountId, form.get('code') ?? ''))) {
      ctx.status = 401
      return page(ctx, 'code', { uid, error: 'This code is wrong or was used before.' })
    }
    const ts = Number(prompt.details.ts)
    const login = { accountId, acr: TWO_FACTORS, amr: ['pwd', 'otp', 'mfa'], ts }
    await finish(ctx, provider, { login, mfa: {} }, { mergeWithLastSubmission: true })
  })

  return router
}

async function finish(
  ctx: Context,
  provider: Provider,
  result: Parameters<Provider['interactionFinished']>[2],
  options = { mergeWithLastSubmission: false },
): Promise<void> {
  ctx.respond = false
  await provider.interactionFinished(ctx.req, ctx.res, result, options)
}

async function page(ctx: Context, view: string, data: Record<string, unknown>): Promise<void> {
  ctx.type = 'html'
  ctx.set('cache-control', 'no-store')
  ctx.body = await ejs.renderFile(`${VIEWS}/${view}.ejs`, data, { cache: true })
}

async function formOf(ctx: Context): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of ctx.req) {
    size += (chunk as Buffer).length
    if (size > LIMIT) ctx.throw(413)
    chunks.push(chunk as Buffer)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}
