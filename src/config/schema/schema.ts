import { z } from 'zod'
import { LEVELS } from '../../mfa/assurance/levels.ts'
import { isHostAndPort } from './addresses.ts'
import type { AuthenticatorBlocks } from './block.ts'
import { clientOf } from './clients.ts'
import { duration, line, listOf, someOf, whole } from './fields.ts'
import { acrSection } from './levels.ts'
import { limits } from './limits.ts'
import { mail } from './mail.ts'
import { mfa } from './mfa.ts'
import { resource } from './resources.ts'
import { network, ruleOf } from './rules.ts'
import { secret, urlWithPassword } from './secret-fields.ts'
import { secretKey } from './secret-values.ts'

/** BCP 47, as far as file names of texts go: language, script, region. */
const LANGUAGE = /^[a-z]{2,3}(?:-[A-Z][a-z]{3})?(?:-(?:[A-Z]{2}|[0-9]{3}))?$/
const COLOR = /^#[0-9a-fA-F]{6}$/
const port = { from: 0, to: 65_535 }

const host = line({ max: 253 })

const listen = z
  .strictObject({
    host: host.prefault('127.0.0.1').describe('Address to listen on; `0.0.0.0` or `::` for all.'),
    port: whole({ ...port, default: 3000 }, 'Port; 0 takes a free one.'),
    workers: whole({ from: 1, to: 64, default: 1 }, 'Processes; more than one needs Redis and PostgreSQL.'),
    trustedProxies: listOf(network)
      .prefault([])
      .describe('Addresses or networks (CIDR) of the proxies whose X-Forwarded-* count.'),
  })
  .prefault({})
  .describe('Where the gateway listens.')

const metrics = z
  .strictObject({
    host: host.prefault('127.0.0.1').describe('Address to listen on.'),
    port: whole({ ...port, default: 9464 }, 'Port.'),
  })
  .optional()
  .describe('Prometheus metrics and health; absent: off. Keep it away from the public.')

const stores = z
  .strictObject({
    state: urlWithPassword(line({ max: 2000 }))
      .optional()
      .describe(
        'Short-lived state: `redis://`, `rediss://` (TLS), `redis+sentinel://h1,h2,h3/NAME/0`, `redis+cluster://h1,h2`; absent: embedded in `dataDir`.',
      ),
    accounts: urlWithPassword(line({ max: 2000 }))
      .optional()
      .describe('Accounts and factors: `postgres://`; absent: embedded SQLite in `dataDir`.'),
    dataDir: line({ max: 4096 }).prefault('data').describe('Folder of the embedded stores and their key.'),
  })
  .prefault({})
  .describe('Where things are kept. Several workers or replicas need both servers.')

const sessions = z
  .strictObject({
    idle: duration({ from: '1s', to: '24h', default: '1h' }, 'A session without use ends after this.'),
    absolute: duration({ from: '1s', to: '30d', default: '12h' }, 'Every session ends after this.'),
    signIn: duration({ from: '1s', to: '15m', default: '15m' }, 'How long a sign-in may take.'),
  })
  .prefault({})
  .describe('Lifetimes of sessions and sign-ins.')

const tokens = z
  .strictObject({
    access: duration({ from: '1s', to: '24h', default: '10m' }, 'Lifetime of an access token.'),
    id: duration({ from: '1s', to: '24h', default: '10m' }, 'Lifetime of an ID token.'),
    refresh: duration({ from: '1s', to: '30d', default: '30d' }, 'Lifetime of a refresh token, rotations included.'),
    rsaBits: z
      .literal([2048, 3072, 4096])
      .prefault(2048)
      .describe('Size of new RS256 keys; takes effect with the next `keys rotate`.'),
  })
  .prefault({})
  .describe('Lifetimes of tokens, and what signs them.')

const passwords = z
  .strictObject({
    minLength: whole(
      { from: 8, to: 64, default: 8 },
      'Shortest new password in characters; 15 where a policy lets anybody in by password alone.',
    ),
    resetByMail: z
      .enum(['withOtherFactor', 'always', 'never'])
      .prefault('withOtherFactor')
      .describe('Who may reset a password by mail: one mailbox should not be both factors.'),
  })
  .prefault({})
  .describe('New passwords.')

const outbound = z
  .strictObject({
    allowHosts: listOf(z.string().refine(isHostAndPort, 'must be a host name or host:port, without scheme'))
      .prefault([])
      .describe(
        'Internal hosts, as `host` or `host:port`, that the gateway may call: back-channel logout, `jwks_uri`.',
      ),
  })
  .prefault({})
  .describe('Requests that the gateway makes.')

const branding = z
  .strictObject({
    name: line({ max: 60 }).prefault('Stepgate').describe('What users read on pages, in mails and in their app.'),
    logo: line({ max: 4096 }).optional().describe('An SVG or PNG file.'),
    color: z
      .string()
      .regex(COLOR, 'must be a colour such as "#2457d6"')
      .prefault('#2457d6')
      .describe('Colour of buttons and links, in quotes; needs a contrast of 4.5 to white.'),
  })
  .prefault({})
  .describe('How pages look.')

const clock = z
  .strictObject({
    check: z
      .enum(['warn', 'fail', 'off'])
      .prefault('warn')
      .describe('What a wrong clock of the server does: a warning, or `/readyz` and `check` fail.'),
    servers: listOf(z.string().refine(isHostAndPort, 'must be a host name or host:port'))
      .prefault([])
      .describe('Time servers (NTP) to compare with.'),
    maxOffset: duration({ from: '100ms', to: '10m', default: '5s' }, 'A larger offset is reported.'),
  })
  .prefault({})
  .describe('The check of the clock, on which codes of apps depend.')

/** The whole file: types, defaults, bounds and meanings. `blocks` are the authenticators' own parts of `mfa`. */
export function schemaOf(blocks: AuthenticatorBlocks, levels = LEVELS) {
  return z.strictObject({
    issuer: line({ max: 300 }).describe(
      'The public address of the gateway, and the `iss` of its tokens: https, without path; http for loopback only. The one key without a default.',
    ),
    listen,
    metrics,
    secretKey: secret(secretKey)
      .optional()
      .describe(
        '32 random bytes, base64: encrypts secrets at rest. Absent: made once as `stepgate.key` in `dataDir`; PostgreSQL needs it given.',
      ),
    stores,
    mail,
    mfa: mfa(blocks),
    policy: z
      .strictObject({
        rules: z
          .array(ruleOf(Object.keys(blocks), levels))
          .prefault([])
          .describe('The first that matches decides; what it leaves out comes from `mfa`.'),
      })
      .prefault({})
      .describe('Exceptions from `mfa` by client, group and network.'),
    sessions,
    tokens,
    passwords,
    outbound,
    acr: acrSection(levels),
    limits,
    clients: z.array(clientOf(levels)).prefault([]).describe('The relying parties.'),
    resources: z.array(resource).prefault([]).describe('APIs that get access tokens of their own (RFC 8707).'),
    branding,
    languages: someOf(z.string().regex(LANGUAGE, 'must be language tags such as en or sv'))
      .prefault(['en', 'sv'])
      .describe('Languages of pages and mails; the first is the default.'),
    clock,
  })
}

type FileSchema = ReturnType<typeof schemaOf>
/** The file with defaults and in our units, before what needs more than one key is checked. */
export type FileConfig = z.output<FileSchema>

/** What a file is read, shown and compared by. */
export interface FileFormat {
  /** The authenticators' own parts of `mfa`, by type. */
  blocks: AuthenticatorBlocks
  /** Absent: `schemaOf(blocks)`. */
  schema?: z.ZodType<FileConfig>
}

export function schemaBy({ blocks, schema }: FileFormat): z.ZodType<FileConfig> {
  return schema ?? schemaOf(blocks)
}
