import { generateKeyPairSync } from 'node:crypto'
import type { AdapterFactory, ClientMetadata, Configuration } from 'oidc-provider'
import { interactionPolicy } from 'oidc-provider'
import type { People } from './people.ts'

export const PASSWORD = 'urn:example:pwd'
export const TWO_FACTORS = 'urn:example:mfa'

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

interface Parts {
  adapter: AdapterFactory
  clients: ClientMetadata[]
  people: People
}

/**
 * What the engine's documentation leads to: a login prompt, then an `mfa` prompt of our own, and no consent for our own
 * clients.
 */
export function configurationOf({ adapter, clients, people }: Parts): Configuration {
  return {
    adapter,
    clients,
    jwks: { keys: [signingKey()] },
    cookies: { keys: ['one secret of the cookies', 'and the one before it'] },
    claims: {
      openid: ['sub', 'acr', 'amr', 'auth_time'],
      profile: ['name', 'preferred_username'],
      email: ['email', 'email_verified'],
    },
    acrValues: [PASSWORD, TWO_FACTORS],
    features: { devInteractions: { enabled: false } },
    interactions: { policy: policy(), url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    pkce: { required: () => true },
    ttl: {
      AccessToken: 10 * MINUTE,
      AuthorizationCode: MINUTE,
      Grant: 12 * HOUR,
      IdToken: 10 * MINUTE,
      Interaction: 15 * MINUTE,
      RefreshToken: 30 * DAY,
      Session: HOUR,
    },
    async findAccount(_ctx, id) {
      const person = await people.find(id)
      if (person === undefined) return undefined
      const { username, email, name } = person
      const claims = { sub: id, name, preferred_username: username, email, email_verified: true }
      return { accountId: id, claims: async () => claims }
    },
    async loadExistingGrant(ctx) {
      const { client, session } = ctx.oidc
      if (client === undefined || session?.accountId === undefined) return undefined
      const known = session.grantIdFor(client.clientId)
      if (known !== undefined) return ctx.oidc.provider.Grant.find(known)
      const grant = new ctx.oidc.provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope([...ctx.oidc.requestParamScopes].join(' '))
      await grant.save()
      return grant
    },
  }
}

function policy(): interactionPolicy.DefaultPolicy {
  const { Check, Prompt, base } = interactionPolicy
  const prompts = base()
  const check = new Check('acr', 'a second factor is required', 'interaction_required', (ctx) => {
    return ctx.oidc.session?.acr !== TWO_FACTORS
  })
  const details = (ctx: Parameters<typeof check.check>[0]) => ({ ts: ctx.oidc.session?.loginTs })
  prompts.add(new Prompt({ name: 'mfa', requestable: false }, details, check), 1)
  return prompts
}

function signingKey(): Record<string, unknown> {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid: 'baseline', alg: 'RS256', use: 'sig' }
}
