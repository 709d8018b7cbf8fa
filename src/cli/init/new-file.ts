import { randomUUID } from 'node:crypto'
import { linkSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { stringify } from 'yaml'
import type { Config } from '../../config/config.ts'
import { ConfigError } from '../../kernel/errors.ts'
import { isLoopback } from '../../kernel/network.ts'
import { readConfig } from '../configuration.ts'
import { CommandError } from '../failure.ts'
import type { InitAnswers } from './init-answers.ts'

/** A new configuration file, which is written and read already but not in its place yet. */
export interface NewFile {
  config: Config
  /** Puts it in its place, whole; fails when there is a file already. */
  keep(): void
  /** Takes it away again. */
  discard(): void
  /** Removes the draft. */
  close(): void
}

/**
 * Writes a draft into the folder of the file, so that relative paths in it mean the same, and reads it like any
 * configuration.
 */
export function writeNewFile(file: string, wishes: InitAnswers): NewFile {
  const target = resolve(file)
  const draft = join(dirname(target), `.${basename(target)}.${randomUUID()}`)
  const close = (): void => rmSync(draft, { force: true })
  try {
    mkdirSync(dirname(target), { recursive: true })
    // A client's secret stands in it (KM-4).
    writeFileSync(draft, textOf(wishes), { mode: 0o600, flag: 'wx' })
    const config = readConfig(draft)
    return {
      // Without the name of the draft, which messages would show.
      config: { ...config, file: '' },
      keep() {
        try {
          linkSync(draft, target)
        } catch (error) {
          throw explained(error, file)
        }
      },
      discard: () => rmSync(target, { force: true }),
      close,
    }
  } catch (error) {
    close()
    throw explained(error, file)
  }
}

function explained(error: unknown, file: string): unknown {
  if (error instanceof ConfigError) return new ConfigError(error.key, error.reason, { file })
  if (!(error instanceof Error && 'code' in error)) return error
  return error.code === 'EEXIST' ? existsAlready(file) : new CommandError(`${file} cannot be written (${error.code})`)
}

export function existsAlready(file: string): CommandError {
  return new CommandError(`${file} exists already and stays as it is (--config names another)`)
}

function textOf({ issuer, mfa, methods, rememberDays, client }: InitAnswers): string {
  const url = new URL(issuer)
  const port = Number(url.port) || 3000
  const optOut = mfa === 'off' ? { optOut: { understood: true, disableMfa: true } } : {}
  const parts: [comment: string, value: unknown][] = [
    [
      'Every key is explained in docs/configuration.md.',
      { issuer, listen: { host: '127.0.0.1', port: isLoopback(url.hostname) ? port : 3000 } },
    ],
    ['Accounts, factors and the key that seals them.', { stores: { dataDir: 'data' } }],
    [
      'Whether everybody needs a second factor: what is changed here holds from then on.',
      { mfa: { enabled: mfa === 'keep', ...optOut, methods, rememberDays } },
    ],
    [
      `mail: { smtp: "smtps://user:\${file:/run/secrets/smtp}@mail.example.com", from: "Example <id@example.com>" }

# Applications that sign in here. \`stepgate client add ID --redirect URI --write\` adds one.`,
      { clients: client === undefined ? [] : [client] },
    ],
  ]
  return parts.map(([comment, value]) => `# ${comment}\n${stringify(value, { lineWidth: 0 })}`).join('\n')
}
