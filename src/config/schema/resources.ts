import { z } from 'zod'
import { line, someOf } from './fields.ts'

const IDENTIFIER = /^[a-z][a-z0-9+.-]*:[\x21\x24-\x7e]+$/i
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/** An API that relying parties call with access tokens of its own (RFC 8707). */
export const resource = z.strictObject({
  id: z
    .string()
    .max(500)
    .regex(IDENTIFIER, 'must be an absolute URI without fragment, such as https://api.example.com')
    .describe('What clients name as `resource`, and the `aud` of its tokens.'),
  scopes: someOf(z.string().regex(SCOPE, 'must be a scope without spaces')).describe(
    'Scopes that its tokens can have.',
  ),
  clients: someOf(line({ max: 255 })).describe('Ids of the clients that may ask for its tokens.'),
  format: z
    .enum(['jwt', 'opaque'])
    .prefault('jwt')
    .describe('`jwt` is checked by the published keys (RFC 9068) and cannot be revoked; `opaque` is introspected.'),
  introspectedBy: someOf(line({ max: 255 }))
    .optional()
    .describe('Ids of the clients, its servers, that may introspect its opaque tokens.'),
})

export type ResourceConfig = z.output<typeof resource>
