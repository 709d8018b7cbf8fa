import type { Middleware } from 'koa'

const YEAR = 31_536_000

/** Files whose address carries a hash of what is in them. */
export function assetFiles(assets: ReadonlyMap<string, { type: string; body: Buffer }>): Middleware {
  return (ctx, next) => {
    const asset = ctx.method === 'GET' || ctx.method === 'HEAD' ? assets.get(ctx.path) : undefined
    if (asset === undefined) return next()
    ctx.set('cache-control', `public, max-age=${YEAR}, immutable`)
    ctx.type = asset.type
    ctx.body = asset.body
    return undefined
  }
}
