import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { isLoopback } from '../../kernel/network.ts'
import { LEVELS } from '../../mfa/assurance/levels.ts'
import { strictUrl } from '../schema/addresses.ts'
import type { AuthenticatorBlocks } from '../schema/block.ts'
import { acrValuesOf } from '../schema/levels.ts'
import type { FileConfig } from '../schema/schema.ts'
import { isPlaceholder } from '../schema/secret-values.ts'
import { passwordIn } from '../schema/url-secrets.ts'
import { clientChecks } from './client-checks.ts'
import { contrastToWhite } from './contrast.ts'
import { mfaChecks } from './mfa-checks.ts'
import { type Path, type Problem, when } from './problem.ts'

const STATE = /^rediss?(?:\+(?:sentinel|cluster))?:\/\/(?:[^@/]*@)?[^/?#@]+(?:\/[^?#]*)?$/
const LOGO = /\.(?:svg|png)$/i
/** WCAG 2.2, 1.4.3. */
const CONTRAST = 4.5

/** What is wrong although each key is right by itself. Relative paths start from `base`. */
export function checks(config: FileConfig, context: { blocks: AuthenticatorBlocks; base: string }): Problem[] {
  return [
    ...issuer(config),
    ...listen(config),
    ...stores(config),
    ...mail(config),
    ...mfaChecks(config, context.blocks),
    ...lifetimes(config),
    ...acr(config),
    ...clientChecks(config),
    ...resources(config),
    ...branding(config, context.base),
    ...config.clients.flatMap(({ logo }, index) => picture(logo, ['clients', index, 'logo'], context.base)),
  ]
}

function issuer(config: FileConfig): Problem[] {
  const path = ['issuer']
  const url = strictUrl(config.issuer)
  if (url === undefined || !['https:', 'http:'].includes(url.protocol)) {
    return [{ path, reason: 'must be an address such as https://id.example.com' }]
  }
  const plain = `${url.username}${url.password}${url.search}${url.hash}` === '' && !/[?#]/.test(config.issuer)
  if (url.pathname !== '/' || !plain) return [{ path, reason: 'must have no path, query, fragment or user name' }]
  return when(
    url.protocol === 'http:' && !isLoopback(url.hostname),
    path,
    'must be https: http is for a loopback host only (KM-3)',
  )
}

function listen({ listen, metrics, stores }: FileConfig): Problem[] {
  const shared = metrics !== undefined && metrics.port !== 0 && metrics.port === listen.port
  const embedded = stores.state === undefined ? 'stores.state' : 'stores.accounts'
  const several = listen.workers > 1 && (stores.state === undefined || stores.accounts === undefined)
  return [
    ...when(several, ['listen', 'workers'], `more than one worker needs ${embedded}: embedded stores have one owner`),
    ...when(shared, ['metrics', 'port'], 'must differ from listen.port'),
  ]
}

function stores({ stores: { state, accounts }, secretKey }: FileConfig): Problem[] {
  const known = accounts === undefined || ['postgres:', 'postgresql:'].includes(strictUrl(accounts)?.protocol ?? '')
  const keyless = accounts !== undefined && secretKey === undefined
  return [
    ...when(
      state !== undefined && !STATE.test(state),
      ['stores', 'state'],
      'must be an address of Redis: redis://, rediss://, redis+sentinel:// or redis+cluster://',
    ),
    ...when(!known, ['stores', 'accounts'], 'must be an address of PostgreSQL: postgres://'),
    ...when(
      keyless,
      ['secretKey'],
      'is required with stores.accounts: every replica needs the same; make one with openssl rand -base64 32',
    ),
    ...[...sample(state, ['stores', 'state']), ...sample(accounts, ['stores', 'accounts'])],
  ]
}

function mail({ mail }: FileConfig): Problem[] {
  if (mail === undefined) return []
  const path = ['mail', 'smtp']
  const url = strictUrl(mail.smtp)
  const place = `${url?.pathname.replace('/', '')}${url?.search}${url?.hash}`
  const known = url !== undefined && ['smtp:', 'smtps:'].includes(url.protocol) && url.hostname !== '' && place === ''
  return [...when(!known, path, 'must be an address such as smtps://user:password@host'), ...sample(mail.smtp, path)]
}

function sample(url: string | undefined, path: string[]): Problem[] {
  const password = url === undefined ? undefined : passwordIn(url)
  return when(password !== undefined && isPlaceholder(password), path, 'holds a sample password (KM-3)')
}

function lifetimes({ sessions, limits }: FileConfig): Problem[] {
  return [
    ...when(sessions.idle > sessions.absolute, ['sessions', 'idle'], 'must not be longer than sessions.absolute'),
    ...when(
      limits.passwordDelay > limits.passwordDelayMax,
      ['limits', 'passwordDelay'],
      'must not be longer than limits.passwordDelayMax',
    ),
  ]
}

/** One value means one level: a relying party must be able to rely on it. */
function acr({ acr }: FileConfig): Problem[] {
  const meanings = LEVELS.names.flatMap((level) => acrValuesOf(level, acr[level]).map((value) => ({ level, value })))
  return meanings.flatMap(({ level, value }) => {
    const other = meanings.find((meaning) => meaning.value === value && meaning.level !== level)
    return when(
      acr[level] !== undefined && other !== undefined,
      ['acr', level],
      `${value} means ${other?.level} as well`,
    )
  })
}

/** Every id is one resource's, and every client named is a client. */
function resources({ resources, clients }: FileConfig): Problem[] {
  const known = new Set(clients.map((client) => client.client_id))
  return resources.flatMap(({ id, clients: askers, introspectedBy = [] }, index) => {
    const path = ['resources', index]
    const twice = resources.findIndex((other) => other.id === id) !== index
    const unknown = (names: readonly string[], key: string) =>
      names.flatMap((name) => when(!known.has(name), [...path, key], `${name} is no client of this file`))
    return [
      ...when(twice, [...path, 'id'], 'is there twice'),
      ...unknown(askers, 'clients'),
      ...unknown(introspectedBy, 'introspectedBy'),
    ]
  })
}

function branding({ branding: { color, logo } }: FileConfig, base: string): Problem[] {
  const contrast = contrastToWhite(color)
  return [
    ...when(
      contrast < CONTRAST,
      ['branding', 'color'],
      `has a contrast of ${contrast.toFixed(1)} to white: ${CONTRAST} is the least that everybody can read`,
    ),
    ...picture(logo, ['branding', 'logo'], base),
  ]
}

function picture(file: string | undefined, path: Path, base: string): Problem[] {
  if (file === undefined) return []
  const known = LOGO.test(file)
  return [
    ...when(!known, path, 'must be a .svg or .png file'),
    ...when(known && !isFile(resolve(base, file)), path, 'is not a file'),
  ]
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
