import type { z } from 'zod'
import type { Level } from '../mfa/assurance/levels.ts'
import type { ClientConfig } from './schema/clients.ts'
import type { limits } from './schema/limits.ts'
import type { ResourceConfig } from './schema/resources.ts'
import type { Grace, RuleConfig } from './schema/rules.ts'
import type { FileConfig } from './schema/schema.ts'

export type { ClientConfig, Grace, ResourceConfig, RuleConfig }

type Limits = z.output<typeof limits>

/** The configuration as parts get their slices of it: checked, complete, durations in milliseconds, paths absolute. */
export interface Config {
  /** Absolute path; empty when it was made from an object. */
  file: string
  /** Origin without trailing slash. */
  issuer: string
  /** `trustedProxies`: addresses or networks (CIDR). */
  listen: { host: string; port: number; workers: number; trustedProxies: string[] }
  metrics: { host: string; port: number } | undefined
  /** 32 bytes; undefined: embedded installations keep one in `dataDir`. */
  secretKey: Buffer | undefined
  /** URLs; undefined: embedded. */
  stores: { state: string | undefined; accounts: string | undefined; dataDir: string }
  mail: { smtp: string; from: { name: string; address: string } } | undefined
  mfa: MfaConfig
  policy: { rules: readonly RuleConfig[] }
  sessions: FileConfig['sessions']
  tokens: FileConfig['tokens']
  passwords: FileConfig['passwords']
  /** `host` or `host:port`. */
  outbound: { allowHosts: readonly string[] }
  /** Per level the value to emit, then its aliases; absent: the default. */
  acr: Partial<Record<Level, readonly string[]>>
  limits: Limits
  clients: readonly ClientConfig[]
  resources: readonly ResourceConfig[]
  /** `logo`: an absolute path. */
  branding: Omit<FileConfig['branding'], 'logo'> & { logo: string | undefined }
  languages: readonly string[]
  clock: Omit<FileConfig['clock'], 'servers'> & { servers: readonly string[] }
}

export interface MfaConfig {
  /** Undefined: the answer given at set-up holds. */
  enabled: boolean | undefined
  optOut: { understood: boolean; disableMfa: boolean } | undefined
  /** Authenticator types in the order offered. */
  methods: readonly string[] | 'auto'
  rememberDays: number
  recoveryCodes: number
  enrolment: { guard: 'auto' | 'password' | 'email' | 'bypass'; grace: Grace }
  /** The authenticators' own parts, by type. */
  blocks: Readonly<Record<string, unknown>>
}
