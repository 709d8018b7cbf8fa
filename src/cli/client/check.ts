import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Installation } from '../../app/installation.ts'
import type { Config } from '../../config/config.ts'
import type { ClientConfig } from '../../config/schema/clients.ts'
import type { Mail } from '../../kernel/mail.ts'
import { randomToken } from '../../kernel/secrets.ts'
import type { Mailer } from '../../mail/mailer.ts'
import type { TrialPage } from '../../mfa/factors/authenticator.ts'
import { readConfig } from '../configuration.ts'
import { CommandError } from '../failure.ts'
import { invocationOf } from '../invocation.ts'
import { clean, fields, print, type Result } from '../output.ts'
import type { TrialBrowser, Walked } from './trial-browser.ts'
import type { TrialForm } from './trial-page.ts'

const SCOPES = ['openid', 'profile', 'email', 'groups']

export function addClientCheck(client: Command): void {
  client
    .command('check')
    .argument('<id>', 'the client_id')
    .description(
      'make a real sign-in with a throw-away account, on stores of its own, and show what this client would get',
    )
    .action(async (id: string, _options: object, command: Command) => {
      const { file, form } = invocationOf(command)
      const config = readConfig(file)
      const entry = config.clients.find(({ client_id }) => client_id === id)
      if (entry === undefined) throw new CommandError(`client "${clean(id)}" does not exist`)
      print(await check(config, entry), form)
    })
}

interface Claims {
  [name: string]: unknown
}

interface Got {
  /** Pages that the user saw. */
  pages: string[]
  scope: string
  refreshToken: boolean
  idToken: Claims
  userinfo: Claims
}

async function check(config: Config, client: ClientConfig): Promise<Result> {
  if (!client.grant_types.includes('authorization_code')) {
    throw new CommandError(`client "${client.client_id}" has no grant authorization_code: nobody signs in to it`)
  }
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-check-'))
  try {
    const got = await trial(config, client, folder)
    const warnings = warningsOf(client)
    return { text: textOf(client, got, warnings), json: { client: client.client_id, ...got, warnings } }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** A gateway by the same file on embedded stores that are gone afterwards; nothing leaves this process. */
async function trial(config: Config, client: ClientConfig, folder: string): Promise<Got> {
  const letters: Mail[] = []
  const mailer: Mailer = { send: async (mail) => void letters.push(mail), check: async () => undefined, close() {} }
  const { createGateway } = await import('../../app/gateway.ts')
  const { openInstallation } = await import('../../app/installation.ts')
  const known = withSecret(client)
  const installation = await openInstallation(trialConfig(config, known, folder), { mailer })
  try {
    const gateway = await createGateway(installation)
    try {
      return await tryOut(known, { installation, handler: gateway.handler, letters })
    } finally {
      await gateway.close()
    }
  } finally {
    await installation.close()
  }
}

async function tryOut(
  client: ClientConfig,
  {
    installation,
    handler,
    letters,
  }: { installation: Installation; handler: RequestListener; letters: readonly Mail[] },
): Promise<Got> {
  const [username, password] = [`check-${randomToken(6).toLowerCase()}`, randomToken()]
  const passwordHash = await installation.hasher.hash(password)
  const profile = { email: `${username}@example.com`, name: 'Throw-away Account', groups: ['example'] }
  await installation.accounts.insert({ username, passwordHash, ...profile }, { event: 'user.created', outcome: 'ok' })
  const server = createServer(handler)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const { issuer } = installation.config
    const { port } = server.address() as AddressInfo
    const mailedCode = (): string | undefined =>
      letters.flatMap(({ data }) => (data.code === undefined ? [] : `${data.code}`)).at(-1)
    const codeFor = (page: string, form: TrialForm): string =>
      codeOf(installation, page, { text: form.text, mailedCode: mailedCode(), now: Date.now() }) ?? ''
    // What reads pages and keeps cookies is loaded by this command alone.
    const { createTrialBrowser } = await import('./trial-browser.ts')
    const browser = createTrialBrowser({ issuer, port, username, password, codeFor })
    return await signIn(browser, { issuer, client })
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

function trialConfig(config: Config, client: ClientConfig, folder: string): Config {
  const { mfa, listen } = config
  return {
    ...config,
    listen: { ...listen, workers: 1, trustedProxies: [] },
    metrics: undefined,
    secretKey: undefined,
    stores: { state: undefined, accounts: undefined, dataDir: folder },
    // What set-up answered stands in the real stores, and what a new user has to show is nobody's to show here.
    mfa: { ...mfa, enabled: mfa.enabled ?? true, enrolment: { ...mfa.enrolment, guard: 'password' } },
    clients: [client],
    resources: [],
    // Nobody is called: neither the client nor a time server.
    clock: { ...config.clock, check: 'off' },
  }
}

/** A client that proves itself with a key of its own does it with a secret here: nobody else has that key. */
function withSecret(client: ClientConfig): ClientConfig {
  const { backchannel_logout_uri: _, jwks: __, jwks_uri: ___, token_endpoint_auth_signing_alg: ____, ...rest } = client
  if (rest.token_endpoint_auth_method !== 'private_key_jwt') return rest
  return { ...rest, token_endpoint_auth_method: 'client_secret_basic', client_secret: randomToken() }
}

/** A page on which a code is typed is named after its kind of factor; any other asks for one that was mailed. */
function codeOf({ config, kinds }: Installation, page: string, shown: TrialPage): string | undefined {
  const kind = kinds.find(({ type }) => page.endsWith(`-${type}`))
  return kind === undefined ? shown.mailedCode : kind.trial?.(shown, config.mfa.blocks[kind.type])
}

async function signIn(
  browser: TrialBrowser,
  { issuer, client }: { issuer: string; client: ClientConfig },
): Promise<Got> {
  const [redirectUri = ''] = client.redirect_uris
  const [nonce, verifier] = [randomToken(), randomToken()]
  const allowed = client.scope?.split(' ')
  const query = new URLSearchParams({
    client_id: client.client_id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: SCOPES.filter((scope) => scope === 'openid' || allowed?.includes(scope) !== false).join(' '),
    state: randomToken(),
    nonce,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  const walked = await browser.walk(`${issuer}/auth?${query}`)
  const code = codeIn(walked, redirectUri)
  const proof = { client_id: client.client_id, ...(client.client_secret && { client_secret: client.client_secret }) }
  const grant = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier, ...proof }
  const answered = await browser.send(`${issuer}/token`, { body: new URLSearchParams(grant).toString() })
  const tokens = JSON.parse(answered.body) as Record<string, string | undefined>
  if (answered.status !== 200)
    throw new CommandError(`the token endpoint answered ${tokens.error}: ${tokens.error_description}`)
  const headers = { authorization: `Bearer ${tokens.access_token}` }
  const userinfo = await browser.send(`${issuer}/me`, { body: '', headers })
  return {
    pages: walked.pages,
    scope: tokens.scope ?? '',
    refreshToken: tokens.refresh_token !== undefined,
    idToken: JSON.parse(Buffer.from(`${tokens.id_token}`.split('.')[1] ?? '', 'base64url').toString('utf8')) as Claims,
    userinfo: userinfo.status === 200 ? (JSON.parse(userinfo.body) as Claims) : {},
  }
}

/** Of the redirect, which goes to nobody: a client's addresses are never called. */
function codeIn({ pages, end }: Walked, redirectUri: string): string {
  const location = end.location !== undefined && URL.canParse(end.location) ? new URL(end.location) : undefined
  const code = location?.searchParams.get('code')
  if (location !== undefined && end.location?.startsWith(redirectUri) && code) return code
  const way = pages.length > 0 ? ` after ${pages.join(', ')}` : ''
  const error = location?.searchParams.get('error')
  if (error)
    throw new CommandError(`the sign-in ends${way} with ${error}: ${location?.searchParams.get('error_description')}`)
  throw new CommandError(
    `the sign-in stops${way} on page ${end.page ?? end.status}${end.error ? ` (${end.error})` : ''}`,
  )
}

function warningsOf(client: ClientConfig): string[] {
  const { redirect_uris, token_endpoint_auth_method: method } = client
  const when = (condition: boolean, text: string): string[] => (condition ? [text] : [])
  return [
    ...when(client.pkce === 'optional', 'pkce is optional: a stolen code may be good for somebody else (OA-2)'),
    ...when(method === 'private_key_jwt', 'its key was not tried: the sign-in used a secret made for it'),
    ...when(redirect_uris.length > 1, `of ${redirect_uris.length} redirect_uris the first was used; none was called`),
    ...when(
      client.backchannel_logout_uri === undefined && client.application_type === 'web',
      'no backchannel_logout_uri: its own session goes on when the user signs out elsewhere or is disabled',
    ),
  ]
}

function textOf({ client_id }: ClientConfig, got: Got, warnings: string[]): string {
  const shown = (claims: Claims): Record<string, string> =>
    Object.fromEntries(Object.entries(claims).map(([name, value]) => [name, valueText(value)]))
  return [
    fields({
      client: client_id,
      pages: got.pages.join(', '),
      scope: got.scope,
      'refresh token': got.refreshToken ? 'yes' : 'no',
    }),
    `ID token\n${indented(fields(shown(got.idToken)))}`,
    `userinfo\n${indented(fields(shown(got.userinfo)))}`,
    ...warnings.map((warning) => `warning: ${warning}`),
  ].join('\n\n')
}

const valueText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
const indented = (text: string): string => text.replace(/^/gm, '  ')
