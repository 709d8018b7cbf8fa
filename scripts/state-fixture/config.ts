import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK } from 'jose'

/** Nobody's address: the gateway is reached through a proxy that only tests are. */
export const ISSUER = 'https://id.example.test'

/** Clients by what they are for. The secrets open nothing but the fixture. */
export const CLIENTS = {
  /** Confidential, with refresh tokens. */
  app: client('app', { client_name: 'Example App', grant_types: ['authorization_code', 'refresh_token'] }),
  /** Public: its refresh tokens rotate. */
  spa: client('spa', { token_endpoint_auth_method: 'none', grant_types: ['authorization_code', 'refresh_token'] }),
  /** Asks for consent. */
  third: client('third', { client_name: 'Somebody else', firstParty: false }),
  /** Proves itself by a key. */
  keyed: client('keyed', { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256' }),
  /** Nobody signs in. */
  machine: {
    ...client('machine', { grant_types: ['client_credentials'] }),
    redirect_uris: [],
    post_logout_redirect_uris: [],
  },
} as const

function client<const T extends object>(client_id: string, more: T) {
  const needsSecret = !('token_endpoint_auth_method' in more)
  return {
    client_id,
    ...(needsSecret && { client_secret: `fixture-${client_id}-secret-that-opens-nothing-else` }),
    redirect_uris: [`https://${client_id}.example.test/callback`],
    post_logout_redirect_uris: [`https://${client_id}.example.test/`],
    ...more,
  }
}

/** What an administrator of that day would have written; `keyed` is the public key of the client of that name. */
export function fixtureConfig(keyed: JWK): Record<string, unknown> {
  return {
    issuer: ISSUER,
    mfa: { methods: ['totp', 'email'] },
    policy: {
      rules: [
        { name: 'by mail', when: { groups: ['by-mail'] }, methods: ['email'] },
        { name: 'newcomers', when: { groups: ['newcomers'] }, methods: ['totp'], grace: '30d' },
      ],
    },
    limits: { accountsPerAddress: 3, passwordDelay: '1m' },
    resources: [{ id: 'https://api.example.test', scopes: ['read'], clients: ['machine'], format: 'opaque' }],
    clients: Object.values({ ...CLIENTS, keyed: { ...CLIENTS.keyed, jwks: { keys: [keyed] } } }),
  }
}

export async function keyPair(): Promise<{ privateKey: CryptoKey; publicJwk: JWK }> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  return { privateKey, publicJwk: await exportJWK(publicKey) }
}

/** Of an installation on servers; the embedded one makes its own. */
export const newSecretKey = (): string => randomBytes(32).toString('base64')
