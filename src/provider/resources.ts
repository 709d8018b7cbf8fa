import { type Configuration, errors } from 'oidc-provider'
import type { ResourceConfig } from '../config/config.ts'

type ResourceIndicators = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>

/**
 * Access tokens for the APIs of the file (RFC 8707), as JWT (RFC 9068) or opaque, as each of them says. There are
 * none for other APIs.
 */
export function resourceIndicators(resources: readonly ResourceConfig[]): ResourceIndicators {
  const byId = new Map(resources.map((resource) => [resource.id, resource]))
  return {
    enabled: true,
    // A code that was given for a resource leads to a token for it, also when the token request does not repeat the
    // resource.
    useGrantedResource: async () => true,
    async getResourceServerInfo(_ctx, indicator, client) {
      const resource = byId.get(indicator)
      if (resource === undefined || !resource.clients.includes(client.clientId)) throw new errors.InvalidTarget()
      return {
        scope: resource.scopes.join(' '),
        audience: resource.id,
        accessTokenFormat: resource.format,
        // RFC 9068, section 2.1: every resource server supports RS256.
        jwt: { sign: { alg: 'RS256' } },
      }
    },
  }
}

/**
 * Whether a client may introspect a token: its own ones, and those for a resource of which the file says that it
 * introspects for it.
 */
export function mayIntrospect(
  resources: readonly ResourceConfig[],
  client: { clientId: string },
  token: { clientId?: string | undefined; aud?: string | string[] | undefined },
): boolean {
  if (token.clientId === client.clientId) return true
  const audience = [token.aud ?? []].flat()
  return resources.some(
    ({ id, introspectedBy = [] }) => audience.includes(id) && introspectedBy.includes(client.clientId),
  )
}
