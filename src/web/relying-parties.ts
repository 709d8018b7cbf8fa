import type { ClientConfig } from '../config/config.ts'
import type { Level } from '../mfa/assurance/levels.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'

/** Who asks for a sign-in, as pages speak of it. */
export interface RelyingParty {
  id: string
  name: string
  uri: string | undefined
  /** Absolute path of a picture. */
  logo: string | undefined
  require: Level | undefined
  /** It is the gateway's own account page. */
  own?: OwnPage | undefined
  /** Where a sign-in starts on its side (`initiate_login_uri`). */
  startUri: string | undefined
  native: boolean
}

/** By client id. */
export type RelyingParties = ReadonlyMap<string, RelyingParty>

export function relyingPartiesOf(clients: readonly (ClientConfig & { own?: OwnPage })[]): RelyingParties {
  return new Map(
    clients.map((client) => [
      client.client_id,
      {
        id: client.client_id,
        name: client.client_name ?? client.client_id,
        uri: client.client_uri,
        logo: client.logo,
        require: client.require,
        own: client.own,
        startUri: client.own === undefined ? client.initiate_login_uri : '/account',
        native: client.application_type === 'native',
      },
    ]),
  )
}
