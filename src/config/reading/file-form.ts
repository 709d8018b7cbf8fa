import { resolve } from 'node:path'
import { z } from 'zod'
import { LEVELS } from '../../mfa/assurance/levels.ts'
import type { Config, MfaConfig } from '../config.ts'
import type { FileClient } from '../schema/clients.ts'
import { acrValuesOf } from '../schema/levels.ts'
import { type FileConfig, type FileFormat, schemaBy } from '../schema/schema.ts'

/** The checked file as the gateway uses it. Relative paths start from `base`. */
export function toConfig(file: FileConfig, place: { file: string; base: string; types: readonly string[] }): Config {
  const { branding, mail, stores } = file
  const { base } = place
  const logo = branding.logo === undefined ? undefined : resolve(base, branding.logo)
  return {
    ...file,
    file: place.file,
    issuer: new URL(file.issuer).origin,
    metrics: file.metrics,
    secretKey: file.secretKey,
    stores: { state: stores.state, accounts: stores.accounts, dataDir: resolve(base, stores.dataDir) },
    mail: mail && { smtp: mail.smtp, from: { ...mail.from, name: mail.from.name || branding.name } },
    mfa: toMfa(file.mfa, place.types),
    outbound: { allowHosts: file.outbound.allowHosts.map((host) => host.toLowerCase()) },
    acr: toAcr(file.acr),
    clients: file.clients.map((client) => toClient(client, base)),
    branding: { ...branding, logo },
  }
}

function toMfa(mfa: FileConfig['mfa'], types: readonly string[]): MfaConfig {
  const { enabled, optOut, methods, rememberDays, recoveryCodes, enrolment } = mfa
  const parsed = mfa as Record<string, unknown>
  const blocks = Object.fromEntries(types.map((type) => [type, parsed[type]]))
  return { enabled, optOut, methods, rememberDays, recoveryCodes, enrolment, blocks }
}

function toAcr(acr: FileConfig['acr']): Config['acr'] {
  const configured = LEVELS.names.filter((level) => acr[level] !== undefined)
  return Object.fromEntries(configured.map((level) => [level, acrValuesOf(level, acr[level])]))
}

function toClient({ logo, ...client }: FileClient, base: string): Config['clients'][number] {
  const code = client.grant_types.includes('authorization_code')
  const picture = logo === undefined ? {} : { logo: resolve(base, logo) }
  return { ...client, ...picture, response_types: client.response_types ?? (code ? ['code'] : []) }
}

/**
 * What the file would have to say for this configuration, defaults included and secrets readable; the inverse of
 * `toConfig`.
 */
export function toFile(config: Config, format: FileFormat): unknown {
  const { file: _, mfa, ...rest } = config
  const { blocks, ...own } = mfa
  return z.encode(schemaBy(format), present({ ...rest, mfa: { ...own, ...blocks } }) as never)
}

/** Without the keys that are undefined: absent is how a file says it. */
function present(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(present)
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined)
  return Object.fromEntries(entries.map(([key, entry]) => [key, present(entry)]))
}
