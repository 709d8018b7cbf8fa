import type { Context, Middleware, Next } from 'koa'

const LIMIT = 56 * 1024

/**
 * Form posts to the authorization and logout endpoints (OIDC Core 3.1.2.1) are answered by a 303 to the same request as GET: the
 * follow-up carries SameSite=Lax cookies, which a cross-site post does not.
 */
export function formPostToGet(paths: readonly string[], routeOf: (path: string) => string): Middleware {
  const answered = new Set(paths)
  return async (ctx: Context, next: Next) => {
    if (ctx.method !== 'POST' || !answered.has(routeOf(ctx.path)) || !ctx.is('application/x-www-form-urlencoded'))
      return next()
    const body = await readForm(ctx)
    if (body === undefined) {
      ctx.status = 413
      return
    }
    ctx.status = 303
    ctx.redirect(`${ctx.path}?${body}`)
  }
}

async function readForm(ctx: Context): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of ctx.req) {
    size += (chunk as Buffer).length
    if (size > LIMIT) return undefined
    chunks.push(chunk as Buffer)
  }
  // Through URLSearchParams: whatever was sent becomes a well-formed query, and no header can be smuggled in.
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8')).toString()
}
