import { type Configuration, errors } from 'oidc-provider'
import type { ResourceConfig } from '../config/config.ts'

type ResourceIndicators = NonNullable<NonNullable<Configuration['features']>['resourceIndicators']>

/** Access tokens for APIs of the file: JWTs (RFC 9068) or opaque, as each says; the rest of the world is no target (RFC 8707). */
export function resourceIndicators(resources: readonly ResourceConfig[]): ResourceIndicators {
  const byId = new Map(resources.map((resource) => [resource.id, resource]))
  return {
    enabled: true,
    // A code that was given for a resource redeems to a token for it, also when the token request does not repeat it.
    useGrantedResource: async () => true,
    async getResourceServerInfo(_ctx, indicator, client) {
      const resource = byId.get(indicator)
      if (resource === undefined || !resource.clients.includes(client.clientId)) throw new errors.InvalidTarget()
      return {
        scope: resource.scopes.join(' '),
        audience: resource.id,
        accessTokenFormat: resource.format,
        // RFC 9068, 2.1: every resource server supports RS256.
        jwt: { sign: { alg: 'RS256' } },
      }
    },
  }
}

/** Its own tokens, and those for a resource it serves. */
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
