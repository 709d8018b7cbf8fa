import type { EventEmitter } from 'node:events'
import Provider, { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { Account } from '../accounts/account.ts'
import type { AccountStore } from '../accounts/account-store.ts'
import type { AuditTrail } from '../audit/audit.ts'
import type { ClientConfig, ResourceConfig } from '../config/config.ts'
import { type Clock, DAY, SECOND } from '../kernel/clock.ts'
import { ConfigError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import { createSealer, deriveKey, sha256 } from '../kernel/secrets.ts'
import type { AcrNames } from '../mfa/assurance/acr.ts'
import type { Level } from '../mfa/assurance/assurance.ts'
import type { Admissions } from '../mfa/policy/admission.ts'
import type { Question } from '../mfa/policy/decider.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'
import { keyOf, type StateStore } from '../state/store.ts'
import { CLOCK_TOLERANCE, createAdapterFactory } from './adapter.ts'
import { type BackChannel, createBackChannel } from './back-channel.ts'
import { CLAIMS } from './claims.ts'
import { CookieKeys, cookieNames, SESSION_COOKIE } from './cookies.ts'
import { engineAccount } from './engine-account.ts'
import { createGrantPolicy, type GrantPolicy, SCOPES } from './grants.ts'
import type { SigningKey } from './key-store.ts'
import { createOutboundFetch } from './outbound.ts'
import { createPromptPolicy, type PromptDependencies } from './prompts.ts'
import { createRecheck } from './recheck.ts'
import { mayIntrospect, resourceIndicators } from './resources.ts'
import { signedOut } from './signed-out.ts'
import { guarded } from './store-down.ts'

declare module 'oidc-provider' {
  interface AllClientMetadata {
    pkce?: 'required' | 'optional'
    firstParty?: boolean
    require?: Level
    own?: OwnPage
    allowOrigins?: readonly string[]
  }
}

export interface ProviderOptions {
  issuer: string
  clients: readonly (ClientConfig & { own?: OwnPage })[]
  resources: readonly ResourceConfig[]
  sessions: { idle: number; absolute: number; signIn: number }
  tokens: { access: number; id: number; refresh: number }
  allowHosts: readonly string[]
  languages: readonly string[]
  /** Levels that some sign-in here can reach. */
  reachable: ReadonlySet<Level>
}

/** The pages the engine cannot do without; the prompts' own pages are behind `/interaction/:uid`. */
export interface EnginePages {
  error(
    ctx: KoaContextWithOIDC,
    out: { error: string; error_description?: string | undefined },
    error: unknown,
  ): Promise<void>
  logout(ctx: KoaContextWithOIDC, form: { action: string; xsrf: string }): Promise<void>
  signedOut(ctx: KoaContextWithOIDC): Promise<void>
}

export interface ProviderDependencies extends PromptDependencies {
  acr: AcrNames
  accounts: Pick<AccountStore, 'find'>
  state: StateStore
  secretKey: Buffer
  signingKeys: readonly SigningKey[]
  pages: EnginePages
  trail: AuditTrail
  clock: Clock
  log: Log
}

/** The engine's one instance for a configuration, the grants its consent page writes, and who is told that a session has ended. */
export interface Engine {
  provider: Provider
  grants: GrantPolicy
  backChannel: BackChannel
}

/** Bytes of what is fetched from relying parties (SS-2). */
const OUTBOUND_BYTES = 64 * 1024
/** Seconds that a client assertion may be good for (OA-14). */
const ASSERTION_LIFE = 5 * 60

function shortLived(expires: unknown, now: number): void {
  if (Number(expires) > now / SECOND + ASSERTION_LIFE + CLOCK_TOLERANCE) {
    throw new errors.InvalidClientAuth('the client assertion lives longer than five minutes')
  }
}

const seconds = (milliseconds: number): number => Math.max(1, Math.floor(milliseconds / SECOND))

/** Builds the provider and checks every client by the engine's own rules; throws ConfigError for one that fails (B4). */
export async function createProvider(options: ProviderOptions, given: ProviderDependencies): Promise<Engine> {
  const dependencies = { ...given, ...guardedPorts(given) }
  const { secretKey, state, trail, log } = dependencies
  const grantTtl = seconds(Math.max(options.tokens.refresh, options.sessions.absolute) + DAY)
  const grants = createGrantPolicy({ key: deriveKey(secretKey, 'grant-id'), resources: options.resources }, { state })
  const provider = new Provider(options.issuer, configurationOf(options, { ...dependencies, grants, grantTtl }))
  // Host, scheme and client address come from our own door (http/front-door.ts), which rewrites these headers for every request.
  provider.proxy = true
  // One command instead of find, then save: a client assertion is good once (X5, OA-14).
  Object.assign(provider.ReplayDetection, {
    unique: guarded((issuer: string, id: string, expires: number) =>
      state.add(keyOf('replay', issuer, id), '1', Math.max(1, expires * SECOND - dependencies.clock.now())),
    ),
  })
  const onReplay = replayRecorder(dependencies)
  // At the token endpoint the engine revokes a grant for one reason: its code or refresh token was used before.
  provider.on('grant.revoked', (ctx, grantId) => {
    if (ctx.oidc.route !== 'token') return
    onReplay(ctx.oidc.params?.grant_type === 'refresh_token' ? 'RefreshToken' : 'AuthorizationCode', grantId)
  })
  // Koa's own words for connections that broke; it would print them beside the log.
  const app: EventEmitter = provider
  app.on('error', (error: Error) => log.warn('a request broke off', { reason: error.message }))
  provider.on('server_error', (ctx, error) => log.error('the engine failed', { path: ctx.path, error }))
  provider.on('end_session.success', (ctx) =>
    trail.record({ event: 'logout', outcome: 'ok', account: ctx.oidc.session?.accountId, ip: ctx.ip }),
  )
  provider.use(signedOut(dependencies))
  await checkClients(provider, options.clients)
  return { provider, grants, backChannel: createBackChannel(provider, { trail, log }) }
}

/** What the engine asks beside its adapter. */
function guardedPorts({ accounts, decider, proofs, admissions }: ProviderDependencies) {
  return {
    accounts: { find: guarded((id: string) => accounts.find(id)) },
    decider: { ...decider, demand: guarded((question: Question) => decider.demand(question)) },
    proofs: { ...proofs, get: guarded(proofs.get), add: guarded(proofs.add), replace: guarded(proofs.replace) },
    admissions: { of: guarded((...asked: Parameters<Admissions['of']>) => admissions.of(...asked)) },
  }
}

async function checkClients(provider: Provider, clients: readonly ClientConfig[]): Promise<void> {
  for (const [index, client] of clients.entries()) {
    try {
      await provider.Client.find(client.client_id)
    } catch (error) {
      const reason = error instanceof errors.OIDCProviderError ? (error.error_description ?? error.message) : undefined
      if (reason === undefined) throw error
      throw new ConfigError(`clients[${index}]`, reason)
    }
  }
}

type Parts = ProviderDependencies & { grants: GrantPolicy; grantTtl: number }

function configurationOf(options: ProviderOptions, parts: Parts): Configuration {
  const { secretKey, grants, pages, acr } = parts
  const names = cookieNames(options.issuer)
  const secure = options.issuer.startsWith('https:')
  const cookie = { ...SESSION_COOKIE, secure }
  return {
    adapter: createAdapterFactory(
      {
        refreshTtl: seconds(options.tokens.refresh),
        sessionTtl: seconds(options.sessions.absolute),
        grantTtl: parts.grantTtl,
      },
      { ...parts, sealer: createSealer(deriveKey(secretKey, 'engine')), onReplay: replayRecorder(parts) },
    ),
    clients: options.clients.map(metadataOf),
    jwks: { keys: parts.signingKeys.map(({ jwk }) => jwk) },
    findAccount: accountFinder(parts),
    loadExistingGrant: (ctx) => grants.existing(ctx),
    interactions: {
      policy: createPromptPolicy(parts),
      url: (_ctx, interaction) => `/interaction/${interaction.uid}`,
    },
    cookies: { keys: new CookieKeys([deriveKey(secretKey, 'cookies')]) as never, names, long: cookie, short: cookie },
    claims: { ...Object.fromEntries(Object.entries(CLAIMS).map(([scope, list]) => [scope, [...list]])) },
    scopes: [...SCOPES],
    acrValues: acr.supported(options.reachable),
    conformIdTokenClaims: true,
    acceptQueryParamAccessTokens: false,
    allowOmittingSingleRegisteredRedirectUri: false,
    responseTypes: ['code'],
    subjectTypes: ['public'],
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    pkce: { required: (_ctx, client) => client.pkce !== 'optional' },
    extraClientMetadata: { properties: ['pkce', 'firstParty', 'require', 'own', 'allowOrigins'] },
    clientBasedCORS: (_ctx, origin, client) =>
      (client.allowOrigins as readonly string[] | undefined)?.includes(origin) ?? false,
    fetchResponseBodyLimits: { jwks_uri: OUTBOUND_BYTES, sector_identifier_uri: OUTBOUND_BYTES },
    assertJwtClientAuthClaimsAndHeader: async (_ctx, claims) => shortLived(claims.exp, parts.clock.now()),
    fetch: createOutboundFetch(options.allowHosts) as never,
    discovery: { ui_locales_supported: [...options.languages] },
    renderError: async (ctx, out, error) => pages.error(ctx, out, error),
    // What is asked of a resource server stands in every token it may see (OA-9).
    extraTokenClaims: async (ctx) => provenClaims(ctx),
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async (_ctx, code) => !code.scopes.has('offline_access'),
    features: featuresOf(options, parts),
    ttl: {
      ...ttlOf(options),
      Grant: parts.grantTtl,
    },
  }
}

function featuresOf({ resources }: ProviderOptions, parts: Parts): Configuration['features'] {
  const { pages } = parts
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: true },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    // A client may introspect what was issued to it or is meant for it, and revoke the former.
    introspection: {
      enabled: true,
      allowedPolicy: async (_ctx, client, token) => mayIntrospect(resources, client, token) && stillGood(token, parts),
    },
    revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => token.clientId === client.clientId },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: async (ctx) => {
        const { secret } = (ctx.oidc.session?.state ?? {}) as { secret: string }
        await pages.logout(ctx, { action: ctx.oidc.urlFor('end_session_confirm'), xsrf: secret })
      },
      postLogoutSuccessSource: async (ctx) => pages.signedOut(ctx),
    },
    backchannelLogout: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    requestObjects: { enabled: false },
    resourceIndicators: resourceIndicators(resources),
    registration: { enabled: false },
    deviceFlow: { enabled: false },
    dPoP: { enabled: false },
  }
}

function ttlOf({ sessions, tokens }: ProviderOptions): Configuration['ttl'] {
  const absolute = seconds(sessions.absolute)
  return {
    AuthorizationCode: 60,
    AccessToken: seconds(tokens.access),
    ClientCredentials: seconds(tokens.access),
    IdToken: seconds(tokens.id),
    Interaction: seconds(sessions.signIn),
    PushedAuthorizationRequest: 60,
    // The life of a family of refresh tokens is absolute: rotation does not prolong it (OA-12).
    RefreshToken: (ctx) => {
      const rotated = (ctx.oidc.entities as { RotatedRefreshToken?: { remainingTTL: number } }).RotatedRefreshToken
      return Math.max(1, rotated?.remainingTTL ?? seconds(tokens.refresh))
    },
    // Slides with use, up to the absolute limit (SE-4).
    Session: (_ctx, session) => {
      const now = Math.floor(Date.now() / SECOND)
      return Math.max(1, Math.min(seconds(sessions.idle), (session.iat ?? now) + absolute - now))
    },
  }
}

/** The engine's metadata of a client: ours goes through, absent keys stay absent. */
function metadataOf({ logo: _, ...client }: ClientConfig): NonNullable<Configuration['clients']>[number] {
  // Every ID token names its session: a report without it would end the user's sessions in other browsers too.
  const { backchannel_logout_uri: uri, backchannel_logout_session_required: required = true } = client
  const report = uri === undefined ? {} : { backchannel_logout_session_required: required }
  return { ...client, ...report } as NonNullable<Configuration['clients']>[number]
}

function accountFinder(parts: Parts): NonNullable<Configuration['findAccount']> {
  const recheck = createRecheck(parts)
  return async (ctx, id, token) => {
    const account = await behind(id, token, parts)
    if (account === undefined) return undefined
    const { client } = ctx.oidc
    if (token === undefined || token.kind !== 'RefreshToken' || client === undefined) return engineAccount(account)
    const { acr, sessionUid } = token as { acr?: string; sessionUid?: string }
    const asked = { id: client.clientId, require: client.require as Level | undefined }
    return (await recheck(account, { acr, sessionUid, client: asked })) ? engineAccount(account) : undefined
  }
}

async function stillGood(token: object, parts: Parts): Promise<boolean> {
  const { accountId } = token as { accountId?: string }
  return accountId === undefined || (await behind(accountId, token, parts)) !== undefined
}

/** The account of a session or of this token, if it is still one that may be spoken of (SE-8). */
async function behind(
  id: string,
  token: object | undefined,
  { accounts, grants }: Parts,
): Promise<Account | undefined> {
  const account = await accounts.find(id)
  if (account === undefined || account.disabled) return undefined
  if (token === undefined) return account
  return grants.good((token as { grantId?: string }).grantId, account) ? account : undefined
}

function provenClaims(ctx: KoaContextWithOIDC): Record<string, string | number | string[]> | undefined {
  const { AuthorizationCode, RefreshToken } = ctx.oidc.entities
  const source = AuthorizationCode ?? RefreshToken
  if (source === undefined) return undefined
  return {
    ...(source.acr !== undefined && { acr: source.acr }),
    ...(source.amr !== undefined && { amr: source.amr }),
    ...(source.authTime !== undefined && { auth_time: source.authTime }),
  }
}

function replayRecorder({
  trail,
  log,
}: Pick<ProviderDependencies, 'trail' | 'log'>): (model: string, grantId: string | undefined) => void {
  return (model, grantId) => {
    const event = model === 'RefreshToken' ? 'refresh.reuse_detected' : 'code.replay'
    // A hash: the id of a grant is no secret of the log's reader.
    const grant = grantId === undefined ? undefined : sha256(grantId).slice(0, 12)
    log.warn('a one-use credential was presented again', { model, grant })
    trail.record({ event, outcome: 'fail', details: { model, grant } })
  }
}
