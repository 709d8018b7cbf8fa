import { type Configuration, errors, type default as Provider } from 'oidc-provider'
import type { ClientConfig } from '../config/config.ts'
import { ConfigError } from '../kernel/errors.ts'
import type { Level } from '../mfa/assurance/levels.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'

declare module 'oidc-provider' {
  interface AllClientMetadata {
    pkce?: 'required' | 'optional'
    firstParty?: boolean
    require?: Level
    own?: OwnPage
    allowOrigins?: readonly string[]
  }
}

type ClientMetadata = NonNullable<Configuration['clients']>[number]

/** The metadata of a client that the engine does not know by itself, and keeps for us. */
export const OWN_METADATA: readonly string[] = ['pkce', 'firstParty', 'require', 'own', 'allowOrigins']

/** A client of the file as the engine's metadata: what the file does not say stays absent. */
export function metadataOf({ logo: _, ...client }: ClientConfig): ClientMetadata {
  // Logout tokens name their session, as ID tokens do: otherwise a relying party would end the user's sessions in
  // other browsers too.
  const { backchannel_logout_uri: uri, backchannel_logout_session_required: required = true } = client
  const report = uri === undefined ? {} : { backchannel_logout_session_required: required }
  return { ...client, ...report } as ClientMetadata
}

/** Checks every client by the engine's own rules; throws ConfigError for one that breaks them (B4). */
export async function checkClients(provider: Provider, clients: readonly ClientConfig[]): Promise<void> {
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
