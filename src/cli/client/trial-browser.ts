import { createHmac } from 'node:crypto'
import { request } from 'node:http'
import { text } from 'node:stream/consumers'
import { SECOND } from '../../kernel/clock.ts'

interface TrialResponse {
  status: number
  location: string | undefined
  body: string
}

/** Who signs in without a person: on a gateway of its own, with an account of its own. */
export interface TrialBrowserOptions {
  /** Host of every request; the gateway listens on `port` of loopback. */
  issuer: string
  port: number
  username: string
  password: string
  /** Milliseconds of an app's code. */
  period: number
  /** Of the last letter; undefined: none came. */
  mailedCode(): string | undefined
}

/** A page after which nothing follows, or an address that is not the gateway's. */
export interface Walked {
  /** `data-page` of the pages that were answered, in order. */
  pages: string[]
  end: TrialResponse & { page: string | undefined; error: string | undefined }
}

const LONGEST_WAY = 12

export interface TrialBrowser {
  send(url: string, form?: { body: string; headers?: Record<string, string> }): Promise<TrialResponse>
  walk(url: string): Promise<Walked>
}

/** Follows redirects inside the gateway and answers each page's main form as its owner would. */
export function createTrialBrowser(options: TrialBrowserOptions): TrialBrowser {
  const { issuer, port } = options
  const jar = new Map<string, string>()

  async function send(url: string, form?: { body: string; headers?: Record<string, string> }): Promise<TrialResponse> {
    const { host, pathname, search } = new URL(url, issuer)
    const headers: Record<string, string> = { host, cookie: [...jar].map((pair) => pair.join('=')).join('; ') }
    if (form !== undefined) {
      const type = 'application/x-www-form-urlencoded'
      Object.assign(headers, {
        'content-type': type,
        'content-length': `${Buffer.byteLength(form.body)}`,
      })
      Object.assign(headers, form.headers)
    }
    const method = form === undefined ? 'GET' : 'POST'
    const place = { host: '127.0.0.1', port, path: `${pathname}${search}`, method, headers, agent: false as const }
    const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
      request(place, resolve).on('error', reject).end(form?.body)
    })
    for (const cookie of response.headers['set-cookie'] ?? []) {
      const [pair = ''] = cookie.split(';')
      const at = pair.indexOf('=')
      jar.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return { status: response.statusCode ?? 0, location: response.headers.location, body: await text(response) }
  }

  /** What the page asks for, from what its owner knows. */
  function answerOf(body: string): URLSearchParams {
    const main = /<form method="post"[\s\S]*?<\/form>/.exec(body)?.[0] ?? ''
    const fields = new URLSearchParams()
    for (const [, name = '', value = ''] of main.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)) {
      fields.set(name, unescaped(value))
    }
    if (/ name="username"/.test(main)) fields.set('username', options.username)
    if (/ name="password"/.test(main)) fields.set('password', options.password)
    if (/ name="code"/.test(main)) fields.set('code', codeFor(main))
    // The first button is the one that goes on.
    const [, button = ''] = /<button([^>]* type="submit"[^>]*)>/.exec(main) ?? []
    const [, name] = / name="([^"]*)"/.exec(button) ?? []
    const [, value = ''] = / value="([^"]*)"/.exec(button) ?? []
    if (name !== undefined) fields.set(name, unescaped(value))
    return fields
  }

  function codeFor(form: string): string {
    const [, secret] = /<code data-secret[^>]*>([^<]*)</.exec(form) ?? []
    const digits = / placeholder="(0+)"/.exec(form)?.[1]?.length ?? 6
    return secret === undefined ? (options.mailedCode() ?? '') : appCode(secret, digits, options.period)
  }

  return {
    send,
    async walk(url) {
      const pages: string[] = []
      let answer = await send(url)
      for (let steps = 0; steps < LONGEST_WAY; steps += 1) {
        const page = / data-page="([^"]*)"/.exec(answer.body)?.[1]
        const error = / data-error="([^"]*)"/.exec(answer.body)?.[1]
        const inside = answer.location === undefined ? undefined : new URL(answer.location, issuer)
        const action = /<form method="post" action="([^"]*)"/.exec(answer.body)?.[1]
        if (inside !== undefined && inside.origin === issuer && !inside.searchParams.has('code')) {
          answer = await send(inside.href)
        } else if (inside !== undefined || action === undefined || error !== undefined) {
          return { pages, end: { ...answer, page, error } }
        } else {
          pages.push(page ?? '')
          answer = await send(unescaped(action), {
            body: answerOf(answer.body).toString(),
            headers: { origin: issuer },
          })
        }
      }
      return { pages, end: { ...answer, page: undefined, error: 'a way without end' } }
    },
  }
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#34': '"', '#39': "'" }
const unescaped = (value: string): string =>
  value.replace(/&(#?\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole)

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** What an authenticator app shows (RFC 6238, 4.2). */
function appCode(secret: string, digits: number, period: number): string {
  const bits = [...secret.replaceAll(/\s/g, '')]
    .map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0'))
    .join('')
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / period)))
  const mac = createHmac('sha1', key).update(counter).digest()
  const offset = (mac.at(-1) ?? 0) & 0xf
  return `${(mac.readUInt32BE(offset) & 0x7fffffff) % 10 ** digits}`.padStart(digits, '0')
}

/** The usual one. */
export const USUAL_PERIOD = 30 * SECOND
