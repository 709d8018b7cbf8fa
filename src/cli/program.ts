import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { LoginTakenError } from '../accounts/account-store.ts'
import { ConfigFileError } from '../config/reading/config-errors.ts'
import { ConfigError, UnavailableError } from '../kernel/errors.ts'
import { MailError } from '../mail/mailer.ts'
import { addAudit } from './audit.ts'
import { addCheck } from './check.ts'
import { addClient } from './client/client.ts'
import { addConfig } from './config/config.ts'
import { CommandError, UsageError } from './failure.ts'
import { detailOf } from './findings.ts'
import { addHashPassword } from './hash-password.ts'
import { addInit } from './init/init.ts'
import { addKeys } from './keys.ts'
import { addMfa } from './mfa/mfa.ts'
import { say } from './output.ts'
import { addPolicy } from './policy/policy.ts'
import { addServe } from './serve.ts'
import { addUser } from './user/user.ts'

const DONE = 0
const FAILED = 1
const WRONG_USAGE = 2

/** Runs one command and answers the exit status: 0 done, 1 failed, 2 wrong usage or configuration. */
export async function run(given: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(given, { from: 'user' })
    return typeof process.exitCode === 'number' ? process.exitCode : DONE
  } catch (error) {
    return statusOf(error)
  }
}

function createProgram(): Command {
  const program = new Command('stepgate')
    .description('An OpenID Connect provider that puts a second factor behind a password')
    .version(version())
    .option(
      '--config <file>',
      'configuration file (default: $STEPGATE_CONFIG, else config/stepgate.yaml)',
      process.env.STEPGATE_CONFIG || 'config/stepgate.yaml',
    )
    .option('--json', 'print the result as JSON', false)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ outputError: (text, write) => write(`${oneLine(text.replace(/^error: /, 'stepgate: '))}\n`) })
    .exitOverride()
  const parts = [
    addInit,
    addServe,
    addCheck,
    addUser,
    addMfa,
    addClient,
    addKeys,
    addAudit,
    addPolicy,
    addConfig,
    addHashPassword,
  ]
  for (const add of parts) add(program)
  return program
}

function version(): string {
  const file = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(file) as { version: string }).version
}

function statusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? DONE : WRONG_USAGE
  if (error instanceof ConfigError) {
    // The line begins with FILE:LINE and not with our name: editors turn that into a link.
    for (const { message } of error instanceof ConfigFileError ? error.all : [error]) say(oneLine(message))
    return WRONG_USAGE
  }
  say(`stepgate: ${oneLine(reasonOf(error))}`)
  return error instanceof UsageError ? WRONG_USAGE : FAILED
}

/** Failures that are expected explain themselves; for all others the class of the error is printed too. */
function reasonOf(error: unknown): string {
  const expected = [UsageError, CommandError, LoginTakenError, UnavailableError, MailError].some(
    (kind) => error instanceof kind,
  )
  return expected || !(error instanceof Error) ? detailOf(error) : `${error.name}: ${detailOf(error)}`
}

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ' ')
