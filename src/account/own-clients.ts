import { OWN_CLIENTS } from '../config/own-clients.ts'
import type { ClientConfig } from '../config/schema/clients.ts'
import type { OwnPage } from '../mfa/policy/policy.ts'

export type OwnClient = ClientConfig & { own: OwnPage }

/** Where a sign-in for the account page returns to. */
export const SIGNED_IN = '/account/signed-in'

/**
 * The account page signs people in as a relying party of its own gateway, with one client for looking and one for
 * changing. Nobody redeems the codes that it gets: what counts is the session that the sign-in leaves in the browser
 * (docs/decisions).
 */
export function ownClients({ issuer, name }: { issuer: string; name: string }): OwnClient[] {
  return (['view', 'change'] as const).map((own) => ({
    client_id: OWN_CLIENTS[own],
    client_name: name,
    own,
    token_endpoint_auth_method: 'none',
    application_type: 'web',
    redirect_uris: [`${issuer}${SIGNED_IN}`],
    post_logout_redirect_uris: [],
    grant_types: ['authorization_code'],
    response_types: ['code'],
    scope: 'openid',
    id_token_signed_response_alg: 'RS256',
    pkce: 'required',
    firstParty: true,
  }))
}
