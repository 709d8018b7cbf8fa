import { z } from 'zod'
import type { Levels } from '../../mfa/assurance/levels.ts'
import { boundedWhole, line, listOf } from './fields.ts'
import { requirable } from './levels.ts'
import { secret } from './secret-fields.ts'

const CLIENT_ID = /^[\x21-\x7e]{1,255}$/
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*$/
const YEAR_IN_SECONDS = 31_536_000
const URL_LENGTH = 2000

const url = line({ max: URL_LENGTH })
const SIGNING_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const

/** One public key; what makes it a private one is refused by name. */
const publicKey = z
  .looseObject({ kty: z.enum(['RSA', 'EC', 'OKP']).describe('Type of the key; its other members as in RFC 7517.') })
  .refine((key) => !('d' in key) && !('k' in key), 'holds a private key: register the public one')

/**
 * A relying party: RFC 7591 and OpenID Connect names, and the gateway's own. Rules that need a second key are in
 * client-checks.ts.
 */
export function clientOf(levels: Levels) {
  return z.strictObject({
    client_id: z
      .string()
      .regex(CLIENT_ID, 'must be 1 to 255 visible ASCII characters without spaces')
      .describe('The name by which the relying party identifies itself.'),
    client_name: line({ max: 100 }).optional().describe('What users read; absent: `client_id`.'),
    client_secret: secret(line({ max: 1000 }))
      .optional()
      .describe(`At least 32 random characters; use \`\${env:NAME}\` or \`\${file:PATH}\`. Not for public clients.`),
    token_endpoint_auth_method: z
      .enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'])
      .prefault('client_secret_basic')
      .describe(
        '`client_secret_basic` and `client_secret_post` both accept either; `none` is a public client with PKCE.',
      ),
    token_endpoint_auth_signing_alg: z
      .enum(SIGNING_ALGORITHMS)
      .optional()
      .describe('For `private_key_jwt`: the only accepted algorithm.'),
    application_type: z
      .enum(['web', 'native'])
      .prefault('web')
      .describe('`native` allows schemes of its own, and any port on loopback (RFC 8252).'),
    redirect_uris: listOf(url)
      .prefault([])
      .describe(
        'Where sign-ins return to, compared character by character: https, or http on loopback; native: also schemes of its own. No fragment, no wildcard.',
      ),
    post_logout_redirect_uris: listOf(url)
      .prefault([])
      .describe('Where sign-outs may return to; same rules as `redirect_uris`.'),
    backchannel_logout_uri: url
      .optional()
      .describe('Where the end of a session is reported: https, or a host of `outbound.allowHosts`.'),
    backchannel_logout_session_required: z
      .boolean()
      .optional()
      .describe('Whether the report names the session (`sid`); absent: it does.'),
    grant_types: listOf(z.enum(['authorization_code', 'refresh_token', 'client_credentials']))
      .prefault(['authorization_code'])
      .describe('An empty list is a resource server that only introspects tokens.'),
    response_types: listOf(z.enum(['code']))
      .optional()
      .describe('Absent: `[code]` with the grant `authorization_code`, else `[]`.'),
    scope: z
      .string()
      .regex(SCOPE, 'must be scopes with one space between them')
      .optional()
      .describe('Scopes this client may be given; absent: all.'),
    id_token_signed_response_alg: z.enum(['RS256', 'ES256']).prefault('RS256').describe('Signature of the ID token.'),
    jwks: z
      .strictObject({ keys: z.array(publicKey).min(1, 'must have at least one entry').describe('JSON Web Keys.') })
      .optional()
      .describe('Public keys for `private_key_jwt`.'),
    jwks_uri: url
      .optional()
      .describe('Where these keys are: https, or a host of `outbound.allowHosts`. Not beside `jwks`.'),
    initiate_login_uri: url.optional().describe('Where a sign-in can be begun anew (https).'),
    client_uri: url.optional().describe('Home page (https).'),
    logo_uri: url.optional().describe('Logo (https); never fetched by the gateway.'),
    logo: line({ max: 4096 })
      .optional()
      .describe('An SVG or PNG file that users see on the sign-in pages; the gateway serves it itself.'),
    policy_uri: url.optional().describe('Privacy policy (https).'),
    tos_uri: url.optional().describe('Terms of service (https).'),
    contacts: listOf(line({ max: 254 }))
      .optional()
      .describe('Mail addresses of who runs it.'),
    default_acr_values: listOf(line({ max: 200 }))
      .optional()
      .describe('The `acr_values` of requests that name none.'),
    default_max_age: boundedWhole({ from: 0, to: YEAR_IN_SECONDS })
      .optional()
      .describe('The `max_age` of requests that name none, in seconds.'),
    require_auth_time: z.boolean().optional().describe('Accepted for completeness: every ID token has `auth_time`.'),
    pkce: z
      .enum(['required', 'optional'])
      .prefault('required')
      .describe('`optional` is for confidential clients that cannot do PKCE.'),
    firstParty: z.boolean().prefault(true).describe('`false` asks the user for consent.'),
    require: requirable(levels)
      .optional()
      .describe('A floor on what the token says; no remembered device satisfies it, so it asks at every sign-in.'),
    allowOrigins: listOf(url).optional().describe('Origins of browser apps that may call the endpoints (CORS).'),
  })
}

/** As written in the file, with defaults. */
export type FileClient = z.output<ReturnType<typeof clientOf>>
/** As the gateway knows it. */
export type ClientConfig = Omit<FileClient, 'response_types'> & { response_types: 'code'[] }
