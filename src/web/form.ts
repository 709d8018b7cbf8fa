import type { Context } from 'koa'
import { RequestError } from '../kernel/errors.ts'

export interface FormLimits {
  /** Bytes of the body. */
  bodyBytes: number
  /** Number of fields. */
  parameters: number
}

/** The fields of a form: each given once, as text without NUL (PW-10, WE-15). */
export type Form = ReadonlyMap<string, string>

/** Reads a form post; throws RequestError for anything else, before any of it is used (DO-2). */
export async function readForm(ctx: Context, limits: FormLimits): Promise<Form> {
  if (!ctx.is('application/x-www-form-urlencoded')) throw new RequestError('bad-request')
  const body = await readBody(ctx, limits.bodyBytes)
  const form = new Map<string, string>()
  const pairs = body === '' ? [] : body.split('&')
  if (pairs.length > limits.parameters) throw new RequestError('bad-request')
  for (const pair of pairs) {
    const [name, value] = parsePair(pair)
    if (form.has(name) || name.includes('\0') || value.includes('\0')) throw new RequestError('bad-request')
    form.set(name, value)
  }
  return form
}

async function readBody(ctx: Context, limit: number): Promise<string> {
  if (Number(ctx.request.length ?? 0) > limit) throw new RequestError('too-large')
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of ctx.req) {
    size += (chunk as Buffer).length
    if (size > limit) throw new RequestError('too-large')
    chunks.push(chunk as Buffer)
  }
  return Buffer.concat(chunks).toString('latin1')
}

/**
 * Unlike URLSearchParams, this does not turn what is no UTF-8 into something else: a password must be what was typed.
 */
function parsePair(pair: string): [string, string] {
  const at = pair.indexOf('=')
  const name = at < 0 ? pair : pair.slice(0, at)
  const value = at < 0 ? '' : pair.slice(at + 1)
  try {
    return [decodeURIComponent(name.replaceAll('+', ' ')), decodeURIComponent(value.replaceAll('+', ' '))]
  } catch (cause) {
    throw new RequestError('bad-request', { cause })
  }
}
