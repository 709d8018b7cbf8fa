import { readFileSync, statSync } from 'node:fs'
import { DAY, HOUR } from '../../kernel/clock.ts'
import { isLoopback } from '../../kernel/network.ts'
import type { Config } from '../config.ts'
import { shortestPassword } from '../password-length.ts'
import { toFile } from '../reading/file-form.ts'
import { type FileFormat, schemaBy } from '../schema/schema.ts'
import { secretsIn } from '../schema/secret-fields.ts'
import { passwordIn } from '../schema/url-secrets.ts'
import { keyOf } from './problem.ts'

/** A setting that works and that somebody should think about. */
export interface ConfigWarning {
  key: string
  reason: string
}

const OTHERS = 0o077
/** The longest idle time and life that are good for sessions with several factors (SE-4). */
const IDLE = HOUR
const ABSOLUTE = DAY

/**
 * What `check` and the start should say about it. Reads the file again to see whether it holds secrets for others to
 * read.
 */
export function warningsOf(config: Config, format: FileFormat): ConfigWarning[] {
  return [...connections(config), ...lifetimes(config), ...passwords(config), ...plainSecrets(config, format)]
}

function warn(when: boolean, key: string, reason: string): ConfigWarning[] {
  return when ? [{ key, reason }] : []
}

/** Stores that are reached without TLS or password (KM-9). What leads to the mail server insists on TLS by itself. */
function connections({ stores: { state, accounts } }: Config): ConfigWarning[] {
  const away = state !== undefined && hostsOf(state).some((host) => !isLoopback(host))
  const database = accounts === undefined ? undefined : URL.parse(accounts)
  return [
    ...warn(away && !state.startsWith('rediss'), 'stores.state', 'Redis is reached without TLS: use rediss:// (KM-9)'),
    ...warn(away && passwordIn(state) === undefined, 'stores.state', 'Redis is reached without a password (KM-9)'),
    ...warn(
      database !== null && database !== undefined && isRemote(database) && !hasTls(database),
      'stores.accounts',
      'PostgreSQL is reached without TLS: add ?sslmode=verify-full (KM-9)',
    ),
  ]
}

function hostsOf(url: string): string[] {
  const [, hosts = ''] = /^[^:]+:\/\/(?:[^@/]*@)?([^/]*)/.exec(url) ?? []
  return hosts.split(',').map((host) => host.replace(/:[0-9]+$/, ''))
}

/** Neither loopback nor a socket in the file system. */
function isRemote(url: URL): boolean {
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname)
  return host !== '' && !host.startsWith('/') && !isLoopback(host)
}

function hasTls(url: URL): boolean {
  return ['require', 'verify-ca', 'verify-full'].includes(url.searchParams.get('sslmode') ?? '')
}

function lifetimes({ sessions }: Config): ConfigWarning[] {
  return [
    ...warn(
      sessions.idle > IDLE,
      'sessions.idle',
      'is longer than the hour that is good for multi-factor sign-ins (SE-4)',
    ),
    ...warn(
      sessions.absolute > ABSOLUTE,
      'sessions.absolute',
      'is longer than the day that is good for multi-factor sign-ins (SE-4)',
    ),
  ]
}

function passwords({ mfa, policy, passwords: { minLength } }: Config): ConfigWarning[] {
  const secondFactor = mfa.enabled === false ? 'if-bound' : 'required'
  const shortest = shortestPassword({ secondFactor, grace: mfa.enrolment.grace, rules: policy.rules }, minLength)
  return warn(
    minLength < shortest,
    'passwords.minLength',
    `a password alone may sign in: new ones need ${shortest} characters (PW-1)`,
  )
}

/** KM-4: a secret in the file itself makes the file a secret. */
function plainSecrets(config: Config, format: FileFormat): ConfigWarning[] {
  if (config.file === '') return []
  const mode = statSync(config.file, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & OTHERS) === 0) return []
  const written = readFileSync(config.file, 'utf8')
  return plainTexts(config, format)
    .filter(({ text }) => written.includes(text))
    .map(({ key }) => ({
      key,
      reason: `the secret stands in a file that others can read: use \${file:PATH} or chmod 600 (KM-4)`,
    }))
}

/** As they would stand in the file: URLs with a password as a whole, because a part of one may have been inserted. */
function plainTexts(config: Config, format: FileFormat): { key: string; text: string }[] {
  const secrets = secretsIn(schemaBy(format), toFile(config, format)).flatMap(({ path, secrecy, value }) =>
    typeof value !== 'string' || (secrecy === 'password' && passwordIn(value) === undefined)
      ? []
      : [{ path, text: value }],
  )
  // Sections in the order of the file, then what stands outside of them.
  return [...secrets.filter(({ path }) => path.length > 1), ...secrets.filter(({ path }) => path.length === 1)].map(
    ({ path, text }) => ({ key: keyOf(path), text }),
  )
}
