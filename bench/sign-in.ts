import { createHash, randomBytes } from 'node:crypto'
import { type Answer, type Browser, createBrowser, type Send } from './browser.ts'
import { describePage, type Form, formWith, secretOf } from './page.ts'

/** The relying party and the server it signs people in at. */
export interface Party {
  issuer: string
  authorizationEndpoint: string
  tokenEndpoint: string
  userinfoEndpoint: string
  clientId: string
  clientSecret: string
  redirectUri: string
}

export interface Person {
  username: string
  password: string
  /** The code to type; `shown` is the key on a page that binds a new app. */
  codeFor(shown: string | undefined): string
  remember: boolean
  /** What passes between a page and its form. */
  think?: () => Promise<void>
}

export interface SignedIn {
  requests: number
  /** Milliseconds from the first request to the last answer, less those thought away. */
  duration: number
  /** Milliseconds of thinking. */
  thought: number
  /** Characters of all answers' bodies. */
  bytes: number
}

const MOST_STEPS = 20

/**
 * One complete sign-in: authorization request, every page, form and redirect, the code for a token, userinfo. Throws
 * for any answer that is not the expected one.
 */
export async function signIn(party: Party, person: Person, send: Send): Promise<SignedIn> {
  const started = performance.now()
  let requests = 0
  let bytes = 0
  let thought = 0
  const counted: Send = async (url, sent) => {
    requests += 1
    const answer = await send(url, sent)
    bytes += answer.body.length
    return answer
  }
  const think = async (): Promise<void> => {
    if (person.think === undefined) return
    const from = performance.now()
    await person.think()
    thought += performance.now() - from
  }
  const verifier = randomBytes(32).toString('base64url')
  const code = await authorize(party, { ...person, think }, { verifier, browser: createBrowser(counted) })
  const token = await redeem(party, { code, verifier, send: counted })
  await userinfo(party, token, counted)
  return { requests, duration: performance.now() - started - thought, thought, bytes }
}

interface Visit {
  verifier: string
  browser: Browser
}

async function authorize(party: Party, person: Person, { verifier, browser }: Visit): Promise<string> {
  const state = randomBytes(16).toString('base64url')
  let url = authorizationUrl(party, { verifier, state })
  let answer = await browser.open(url)
  for (let step = 0; step < MOST_STEPS; step++) {
    const location = answer.headers.location
    if (location !== undefined) {
      url = new URL(location, url)
      if (url.href.startsWith(party.redirectUri)) return codeOf(url, state)
      answer = await browser.open(url)
    } else {
      const { target, fields } = fill(answer, person, url)
      await person.think?.()
      answer = await browser.submit(target, fields)
      url = target
    }
  }
  throw new Error(`no end after ${MOST_STEPS} steps`)
}

function authorizationUrl(party: Party, { verifier, state }: { verifier: string; state: string }): URL {
  const url = new URL(party.authorizationEndpoint)
  const challenge = createHash('sha256').update(verifier).digest('base64url')
  const parameters = {
    client_id: party.clientId,
    redirect_uri: party.redirectUri,
    response_type: 'code',
    scope: 'openid profile email',
    state,
    nonce: randomBytes(16).toString('base64url'),
    code_challenge: challenge,
    code_challenge_method: 'S256',
  }
  url.search = new URLSearchParams(parameters).toString()
  return url
}

function fill(answer: Answer, person: Person, page: URL): { target: URL; fields: Record<string, string> } {
  const form = answer.status === 200 ? formWith(['password', 'code'], answer.body) : undefined
  if (form === undefined) throw new Error(`${answer.status} ${describePage(answer.body)} at ${page.pathname}`)
  const target = new URL(form.action === '' ? page.pathname : form.action, page)
  return { target, fields: { ...form.hidden, ...typed(form, person, answer.body) } }
}

function typed(form: Form, person: Person, html: string): Record<string, string> {
  if (form.asks.has('password')) return { username: person.username, password: person.password }
  const remember = person.remember && form.asks.has('remember')
  return { code: person.codeFor(secretOf(html)), ...(remember && { remember: 'on' }) }
}

function codeOf(url: URL, state: string): string {
  const code = url.searchParams.get('code')
  if (url.searchParams.get('state') !== state || code === null) throw new Error(`not a code: ${url.search}`)
  return code
}

interface Redeem {
  code: string
  verifier: string
  send: Send
}

async function redeem(party: Party, { code, verifier, send }: Redeem): Promise<string> {
  const credentials = Buffer.from(`${party.clientId}:${party.clientSecret}`).toString('base64')
  const form = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: party.redirectUri,
    code_verifier: verifier,
  }
  const headers = { authorization: `Basic ${credentials}` }
  const answer = await send(new URL(party.tokenEndpoint), { method: 'POST', headers, form })
  if (answer.status !== 200) throw new Error(`token: ${answer.status} ${answer.body}`)
  const tokens = JSON.parse(answer.body) as { access_token?: string; id_token?: string }
  if (tokens.access_token === undefined || tokens.id_token === undefined) throw new Error('token: not both tokens')
  return tokens.access_token
}

async function userinfo(party: Party, token: string, send: Send): Promise<void> {
  const headers = { authorization: `Bearer ${token}` }
  const answer = await send(new URL(party.userinfoEndpoint), { headers })
  if (answer.status !== 200) throw new Error(`userinfo: ${answer.status} ${answer.body}`)
  const claims = JSON.parse(answer.body) as { sub?: string; email?: string }
  if (claims.sub === undefined || claims.email === undefined) throw new Error('userinfo: claims are missing')
}
