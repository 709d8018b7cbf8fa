import type { Context, Middleware, Next } from 'koa'

/** Bytes of such a form at most. */
const LIMIT = 56 * 1024

/**
 * Answers form posts to the authorization and logout endpoints (OIDC Core, section 3.1.2.1) with a 303 to the same
 * request as GET. The GET carries SameSite=Lax cookies, which a post from another site does not.
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

/** Undefined: it is too large. */
async function readForm(ctx: Context): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of ctx.req) {
    size += (chunk as Buffer).length
    if (size > LIMIT) return undefined
    chunks.push(chunk as Buffer)
  }
  // URLSearchParams makes a well-formed query of whatever was sent, so that nobody can smuggle a header in.
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8')).toString()
}
