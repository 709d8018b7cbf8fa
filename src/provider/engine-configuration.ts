import { type Configuration, errors, type KoaContextWithOIDC } from 'oidc-provider'
import type { AccountStore } from '../accounts/account-store.ts'
import type { AuditTrail } from '../audit/audit.ts'
import type { ClientConfig, ResourceConfig } from '../config/config.ts'
import { type Clock, SECOND } from '../kernel/clock.ts'
import type { Log } from '../kernel/log.ts'
import { createSealer, deriveKey } from '../kernel/secrets.ts'
import type { AcrNames } from '../mfa/assurance/acr.ts'
import type { Level } from '../mfa/assurance/levels.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'
import type { StateStore } from '../state/store.ts'
import { createAdapterFactory } from './adapter.ts'
import { CLAIMS } from './claims.ts'
import { metadataOf, OWN_METADATA } from './client-metadata.ts'
import { CookieKeys, cookieNames, SESSION_COOKIE } from './cookies.ts'
import { createReplayRecorder } from './engine-events.ts'
import { CLOCK_TOLERANCE } from './engine-records.ts'
import { type GrantPolicy, SCOPES } from './grants.ts'
import type { SigningKey } from './key-store.ts'
import type { LevelCheckDependencies } from './level-check.ts'
import { grantLifetime, type LifetimeOptions, lifetimesOf, seconds } from './lifetimes.ts'
import { createOutboundFetch } from './outbound.ts'
import { createPromptPolicy } from './prompts.ts'
import { mayIntrospect, resourceIndicators } from './resources.ts'
import { createAccountFinder, ownerAllows } from './token-owner.ts'

export interface ProviderOptions extends LifetimeOptions {
  issuer: string
  clients: readonly (ClientConfig & { own?: OwnPage })[]
  resources: readonly ResourceConfig[]
  allowHosts: readonly string[]
  languages: readonly string[]
  /** Levels that some sign-in here can reach. */
  reachable: ReadonlySet<Level>
}

/** The pages the engine cannot do without; the prompts' own pages are behind `/interaction/:uid`. */
interface EnginePages {
  error(
    ctx: KoaContextWithOIDC,
    out: { error: string; error_description?: string | undefined },
    error: unknown,
  ): Promise<void>
  logout(ctx: KoaContextWithOIDC, form: { action: string; xsrf: string }): Promise<void>
  signedOut(ctx: KoaContextWithOIDC): Promise<void>
}

export interface ProviderDependencies extends LevelCheckDependencies {
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

type ConfigurationDependencies = ProviderDependencies & { grants: GrantPolicy }

/** Bytes of what is fetched from relying parties at most (SS-2). */
const OUTBOUND_BYTES = 64 * 1024
/** Seconds that a client assertion may be good for (OA-14). */
const ASSERTION_LIFE = 5 * 60

/** Everything that is set in the engine, for one configuration of ours. */
export function configurationOf(options: ProviderOptions, dependencies: ConfigurationDependencies): Configuration {
  const { grants, pages, acr, clock, signingKeys } = dependencies
  return {
    adapter: adapterOf(options, dependencies),
    clients: options.clients.map(metadataOf),
    jwks: { keys: signingKeys.map(({ jwk }) => jwk) },
    findAccount: createAccountFinder(dependencies),
    loadExistingGrant: (ctx) => grants.existing(ctx),
    interactions: {
      policy: createPromptPolicy(dependencies),
      url: (_ctx, interaction) => `/interaction/${interaction.uid}`,
    },
    cookies: cookiesOf(options, dependencies),
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
    extraClientMetadata: { properties: [...OWN_METADATA] },
    clientBasedCORS: (_ctx, origin, client) =>
      (client.allowOrigins as readonly string[] | undefined)?.includes(origin) ?? false,
    fetchResponseBodyLimits: { jwks_uri: OUTBOUND_BYTES, sector_identifier_uri: OUTBOUND_BYTES },
    assertJwtClientAuthClaimsAndHeader: async (_ctx, claims) => assertShortLived(claims.exp, clock.now()),
    fetch: createOutboundFetch(options.allowHosts) as never,
    discovery: { ui_locales_supported: [...options.languages] },
    renderError: async (ctx, out, error) => pages.error(ctx, out, error),
    // A resource server may ask for a level, so every token that it may see tells what was proved (OA-9).
    extraTokenClaims: async (ctx) => provenClaims(ctx),
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    expiresWithSession: async (_ctx, code) => !code.scopes.has('offline_access'),
    features: featuresOf(options, dependencies),
    ttl: lifetimesOf(options),
  }
}

function adapterOf(options: ProviderOptions, dependencies: ConfigurationDependencies): Configuration['adapter'] {
  return createAdapterFactory(
    {
      refreshTtl: seconds(options.tokens.refresh),
      sessionTtl: seconds(options.sessions.absolute),
      grantTtl: grantLifetime(options),
    },
    {
      ...dependencies,
      sealer: createSealer(deriveKey(dependencies.secretKey, 'engine')),
      onReplay: createReplayRecorder(dependencies),
    },
  )
}

function cookiesOf({ issuer }: ProviderOptions, { secretKey }: ConfigurationDependencies): Configuration['cookies'] {
  const cookie = { ...SESSION_COOKIE, secure: issuer.startsWith('https:') }
  const keys = new CookieKeys([deriveKey(secretKey, 'cookies')])
  return { keys: keys as never, names: cookieNames(issuer), long: cookie, short: cookie }
}

function featuresOf(
  { resources }: ProviderOptions,
  dependencies: ConfigurationDependencies,
): Configuration['features'] {
  const { pages } = dependencies
  return {
    devInteractions: { enabled: false },
    userinfo: { enabled: true },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    // A client may introspect tokens that were issued to it or are meant for it, and revoke those that were issued to
    // it.
    introspection: {
      enabled: true,
      allowedPolicy: async (_ctx, client, token) =>
        mayIntrospect(resources, client, token) && ownerAllows(token, dependencies),
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

/** `expires`: of a client assertion, in seconds; `now`: in milliseconds. */
function assertShortLived(expires: unknown, now: number): void {
  if (Number(expires) > now / SECOND + ASSERTION_LIFE + CLOCK_TOLERANCE) {
    throw new errors.InvalidClientAuth('the client assertion lives longer than five minutes')
  }
}

/** What was proved in the sign-in from which a token comes. */
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
