import type { ClientEntry } from '../../config/schema/client-presets.ts'
import { ConfigError } from '../../kernel/errors.ts'
import { BLOCKS } from '../../mfa/factors/registry.ts'
import { makeConfig } from '../configuration.ts'
import { UsageError } from '../failure.ts'
import { checkedAddress, checkedUsername } from '../user/account-options.ts'

/** The flags of `init`, as commander hands them over. */
export interface InitOptions {
  yes?: boolean
  issuer?: string
  mfa?: 'keep' | 'off'
  understood?: boolean
  disableMfa?: boolean
  methods?: string
  rememberDays?: string
  admin?: string
  email?: string
  passwordStdin?: boolean
}

/** What was answered about the new installation, checked. */
export interface InitAnswers {
  issuer: string
  mfa: 'keep' | 'off'
  methods: readonly string[] | 'auto'
  rememberDays: number
  admin: { username: string; email: string } | undefined
  client: ClientEntry | undefined
}

export const DEFAULTS = { issuer: 'http://127.0.0.1:3000', methods: 'auto', rememberDays: '30' } as const

/** The answers when nothing is asked: a flag that is missing is named (A5). */
export function answersOf(options: InitOptions): InitAnswers {
  const { issuer, mfa, methods = DEFAULTS.methods, rememberDays = DEFAULTS.rememberDays, admin, email } = options
  if (issuer === undefined) throw new UsageError('--issuer', 'is needed with --yes')
  if (mfa === undefined) throw new UsageError('--mfa', 'is needed with --yes: keep or off')
  checkConfirmed(mfa, options)
  if (admin !== undefined && email === undefined) throw new UsageError('--email', 'is needed with --admin')
  if (admin === undefined && email !== undefined) throw new UsageError('--admin', 'is needed with --email')
  if (admin === undefined && options.passwordStdin === true)
    throw new UsageError('--admin', 'is needed with --password-stdin')
  return {
    issuer: checkedIssuer(issuer),
    mfa,
    methods: checkedMethods(methods),
    rememberDays: checkedDays(rememberDays),
    admin:
      admin === undefined || email === undefined
        ? undefined
        : { username: checkedUsername(admin), email: checkedAddress(email) },
    client: undefined,
  }
}

/** "keep" needs one confirmation, "off" both (A2, A3). */
function checkConfirmed(mfa: 'keep' | 'off', { understood, disableMfa }: InitOptions): void {
  if (understood !== true) throw new UsageError('--understood', `is needed with --mfa ${mfa}`)
  if (mfa === 'off' && disableMfa !== true) throw new UsageError('--disable-mfa', 'is needed with --mfa off')
}

export function checkedIssuer(issuer: string): string {
  check('--issuer', { issuer })
  return issuer
}

export function checkedClient(client: ClientEntry, issuer: string): ClientEntry {
  check('client', { issuer, clients: [client] })
  return client
}

export function checkedMethods(text: string): readonly string[] | 'auto' {
  if (text === 'auto') return 'auto'
  const methods = text.split(',').map((method) => method.trim())
  const known = Object.keys(BLOCKS)
  const stranger = methods.find((method) => !known.includes(method))
  if (stranger !== undefined) throw new UsageError('--methods', `expected auto or a list of ${known.join(', ')}`)
  check('--methods', { issuer: DEFAULTS.issuer, mfa: { methods } })
  return methods
}

export function checkedDays(text: string): number {
  if (!/^[0-9]{1,4}$/.test(text)) throw new UsageError('--remember-days', 'expected a whole number of days')
  check('--remember-days', { issuer: DEFAULTS.issuer, mfa: { rememberDays: Number(text) } })
  return Number(text)
}

/** Reads the value as a configuration file would be read; a refusal names the flag. */
function check(flag: string, file: Record<string, unknown>): void {
  try {
    makeConfig(file)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new UsageError(flag, error.reason)
  }
}
