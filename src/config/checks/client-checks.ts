import { isLoopback } from '../../kernel/network.ts'
import { LEVELS } from '../../mfa/assurance/levels.ts'
import { OWN_CLIENTS } from '../own-clients.ts'
import { isHttpsOrLoopback, isInternal, strictUrl } from '../schema/addresses.ts'
import type { FileClient } from '../schema/clients.ts'
import { acrValuesOf } from '../schema/levels.ts'
import { redirectProblem } from '../schema/redirect-uris.ts'
import type { FileConfig } from '../schema/schema.ts'
import { weaknessOf } from '../schema/secret-values.ts'
import { type Path, type Problem, when } from './problem.ts'

/** What a client's keys must be to each other and to the rest of the file. */
export function clientChecks(config: FileConfig): Problem[] {
  const own: readonly string[] = Object.values(OWN_CLIENTS)
  const ids = config.clients.map(({ client_id }) => client_id)
  return config.clients.flatMap((client, index) => {
    const path = ['clients', index]
    return [
      ...when(ids.indexOf(client.client_id) < index, [...path, 'client_id'], 'is used by another client'),
      ...when(own.includes(client.client_id), [...path, 'client_id'], "is the gateway's own, for its account page"),
      ...authentication(client, path),
      ...keys(client, path),
      ...grants(client, path),
      ...redirects(client, path),
      ...outgoing(client, path, config.outbound.allowHosts),
      ...pages(client, path, config),
      ...levels(client, path, config),
    ]
  })
}

function authentication(client: FileClient, path: Path): Problem[] {
  const { client_secret: secret, token_endpoint_auth_method: method } = client
  const at = [...path, 'client_secret']
  const open = method === 'none'
  if (open || method === 'private_key_jwt') {
    return [
      ...when(secret !== undefined, at, `has no use with token_endpoint_auth_method: ${method}`),
      ...when(open && client.pkce === 'optional', [...path, 'pkce'], 'must be required for a client without a secret'),
    ]
  }
  if (secret === undefined) {
    return [{ path: at, reason: 'is required, unless token_endpoint_auth_method is none or private_key_jwt' }]
  }
  const weakness = weaknessOf(secret)
  return weakness === undefined ? [] : [{ path: at, reason: weakness }]
}

function keys(client: FileClient, path: Path): Problem[] {
  const { jwks, jwks_uri: uri, token_endpoint_auth_method: method } = client
  const signs = method === 'private_key_jwt'
  return [
    ...when(
      signs && jwks === undefined && uri === undefined,
      [...path, 'jwks'],
      'jwks or jwks_uri is required for private_key_jwt',
    ),
    ...when(jwks !== undefined && uri !== undefined, [...path, 'jwks_uri'], 'must not stand beside jwks'),
    ...when(
      !signs && client.token_endpoint_auth_signing_alg !== undefined,
      [...path, 'token_endpoint_auth_signing_alg'],
      'is for token_endpoint_auth_method: private_key_jwt',
    ),
  ]
}

function grants(client: FileClient, path: Path): Problem[] {
  const { grant_types: types, response_types: responses, redirect_uris: uris } = client
  const code = types.includes('authorization_code')
  const machine = types.includes('client_credentials')
  const open = client.token_endpoint_auth_method === 'none'
  return [
    ...when(code && uris.length === 0, [...path, 'redirect_uris'], 'must have at least one entry'),
    ...when(
      types.includes('refresh_token') && !code,
      [...path, 'grant_types'],
      'refresh_token needs authorization_code',
    ),
    ...when(machine && open, [...path, 'grant_types'], 'client_credentials needs a client that authenticates'),
    ...when(
      responses !== undefined && responses.includes('code') !== code,
      [...path, 'response_types'],
      `must be ${code ? '[code] with' : '[] without'} the grant authorization_code`,
    ),
  ]
}

function redirects(client: FileClient, path: Path): Problem[] {
  return (['redirect_uris', 'post_logout_redirect_uris'] as const).flatMap((key) =>
    client[key].flatMap((uri, index) => {
      const reason = redirectProblem(uri, client.application_type)
      return reason === undefined ? [] : [{ path: [...path, key, index], reason }]
    }),
  )
}

/** Requests of ours (SS-2, SS-3): https, unless the configuration names the host as one of its own. */
function outgoing(client: FileClient, path: Path, allowHosts: readonly string[]): Problem[] {
  const allowed = new Set(allowHosts.map((host) => host.toLowerCase()))
  return (['backchannel_logout_uri', 'jwks_uri'] as const).flatMap((key) => {
    const uri = client[key]
    if (uri === undefined) return []
    const at = [...path, key]
    const url = strictUrl(uri)
    if (url === undefined || !['https:', 'http:'].includes(url.protocol) || url.username !== '' || uri.includes('#')) {
      return [{ path: at, reason: 'must be an https address without fragment' }]
    }
    if (allowed.has(url.host) || allowed.has(url.hostname)) return []
    return [
      ...when(url.protocol === 'http:', at, 'must be https, or its host one of outbound.allowHosts'),
      ...when(
        url.protocol === 'https:' && isInternal(url.hostname),
        at,
        'is an internal address: name its host in outbound.allowHosts',
      ),
    ]
  })
}

function pages(client: FileClient, path: Path, { issuer }: FileConfig): Problem[] {
  const own = URL.parse(issuer)
  // A gateway on loopback is tried out with applications on loopback.
  const plain = own?.protocol === 'http:' && isLoopback(own.hostname)
  const links = (['client_uri', 'logo_uri', 'policy_uri', 'tos_uri'] as const).flatMap((key) => {
    const uri = client[key]
    return when(uri !== undefined && !(plain ? isHttpsOrLoopback(uri) : isHttps(uri)), [...path, key], 'must be https')
  })
  const initiate = client.initiate_login_uri
  return [
    ...links,
    ...when(initiate !== undefined && !isHttps(initiate), [...path, 'initiate_login_uri'], 'must be https'),
    ...(client.allowOrigins ?? []).flatMap((origin, index) =>
      when(
        !isHttpsOrLoopback(origin) || strictUrl(origin)?.origin !== origin,
        [...path, 'allowOrigins', index],
        'must be an origin such as https://app.example.com',
      ),
    ),
  ]
}

function isHttps(uri: string): boolean {
  return isHttpsOrLoopback(uri) && uri.startsWith('https:')
}

function levels(client: FileClient, path: Path, { acr }: FileConfig): Problem[] {
  const known = new Set(LEVELS.names.flatMap((level) => acrValuesOf(level, acr[level])))
  return (client.default_acr_values ?? []).flatMap((value, index) =>
    when(!known.has(value), [...path, 'default_acr_values', index], 'is not an acr value of this gateway'),
  )
}
