import { existsSync } from 'node:fs'
import { type Command, Option } from 'commander'
import type { Account } from '../../accounts/account.ts'
import { changeBy } from '../../administration/actor.ts'
import { activationLink } from '../../administration/people/activation-link.ts'
import { askForHash } from '../../administration/people/new-password.ts'
import type { Installation } from '../../app/installation.ts'
import { createLogger } from '../../kernel/logger.ts'
import type { FirstAdministrator } from '../../mfa/policy/setup-decision-store.ts'
import { commandActor } from '../actor.ts'
import { dependenciesOf, newPasswordsOf } from '../dependencies.ts'
import { CommandError, UsageError } from '../failure.ts'
import { invocationOf } from '../invocation.ts'
import { done } from '../outcome.ts'
import { print, type Result } from '../output.ts'
import { accountJson } from '../user/account-result.ts'
import { readNewPassword } from '../user/password-input.ts'
import { answersOf, type InitAnswers, type InitOptions } from './init-answers.ts'
import { existsAlready, type NewFile, writeNewFile } from './new-file.ts'
import { askWishes, inTerminal } from './questions.ts'

export function addInit(program: Command): void {
  program
    .command('init')
    .description(
      'set-up in the terminal: writes the configuration, answers the MFA question, makes the first administrator',
    )
    .option('--yes', 'ask nothing: the flags answer')
    .option('--issuer <url>', 'the public address')
    .addOption(new Option('--mfa <answer>', 'multi-factor authentication').choices(['keep', 'off']))
    .option('--understood', 'I understand that MFA is the recommended default')
    .option('--disable-mfa', 'turn MFA off; needed with --mfa off')
    .option('--methods <list>', 'auto, or kinds of second factor in the order offered, separated by commas')
    .option('--remember-days <days>', 'for how long a browser may be remembered')
    .option('--admin <name>', 'user name of the first administrator')
    .option('--email <address>', 'their address')
    .option(
      '--password-stdin',
      'read their password on standard input; without it a one-use activation link is printed',
    )
    .action(async (options: InitOptions, command: Command) => {
      const { file, form } = invocationOf(command)
      if (existsSync(file)) throw existsAlready(file)
      print(await setUp(file, await wishesFor(options), options.passwordStdin === true ? 'stdin' : 'link'), form)
    })
}

async function wishesFor(options: InitOptions): Promise<InitAnswers> {
  if (options.yes === true) return answersOf(options)
  if (process.stdin.isTTY !== true) throw new UsageError('--yes', 'is needed where there is no terminal to ask in')
  return inTerminal((ask) => askWishes(options, ask))
}

async function setUp(file: string, wishes: InitAnswers, password: 'stdin' | 'link'): Promise<Result> {
  const written = writeNewFile(file, wishes)
  try {
    const log = await createLogger({ level: 'error', descriptor: 2, pretty: process.stderr.isTTY === true })
    const { openInstallation } = await import('../../app/installation.ts')
    const installation = await openInstallation(written.config, { log })
    try {
      return resultOf(file, wishes, await answer(installation, { written, wishes, password }))
    } finally {
      await installation.close()
    }
  } finally {
    written.close()
  }
}

interface Order {
  written: NewFile
  wishes: InitAnswers
  password: 'stdin' | 'link'
}

interface Made {
  account: Account | undefined
  activation: string | undefined
}

/** Stores answer and administrator in one transaction; if that fails, the file is taken away again. */
async function answer(installation: Installation, { written, wishes, password }: Order): Promise<Made> {
  const { admin, mfa } = wishes
  if ((await installation.setupDecisions.get()) !== undefined || (await installation.accounts.count()) > 0)
    throw setUpAlready(installation)
  // The link lives in the state store: find out whether that answers before there is an account.
  if (admin !== undefined) await installation.state.ping()
  const passwordHash =
    admin !== undefined && password === 'stdin' ? await passwordHashFor(installation, admin) : undefined
  const given = { enabled: mfa === 'keep', by: 'cli', at: installation.clock.now() } as const
  const actor = commandActor()
  const answered = changeBy(actor, 'setup.answered', { details: { answer: mfa } })
  const audits = [answered, changeBy(actor, 'user.created'), changeBy(actor, 'setup.done')]
  written.keep()
  const account = await store(admin && { ...admin, admin: true, passwordHash }).catch((error: unknown) => {
    written.discard()
    throw error
  })
  const invited = account !== undefined && passwordHash === undefined
  return { account, activation: invited ? await activationLink(dependenciesOf(installation), account) : undefined }

  async function store(administrator: FirstAdministrator | undefined): Promise<Account | undefined> {
    const stored =
      administrator === undefined
        ? await installation.setupDecisions.replace(undefined, given, answered)
        : await installation.setupDecisions.finish(given, administrator, audits)
    if (stored === false || stored === undefined) throw setUpAlready(installation)
    return stored === true ? undefined : stored
  }
}

async function passwordHashFor(
  installation: Installation,
  admin: { username: string; email: string },
): Promise<string> {
  const asked = await askForHash(newPasswordsOf(installation), readNewPassword, admin)
  return done(asked, admin.username).hash
}

function setUpAlready({ config }: Installation): CommandError {
  return new CommandError(`the installation in ${config.stores.dataDir} is set up already`)
}

function resultOf(file: string, { issuer, mfa, client }: InitAnswers, { account, activation }: Made): Result {
  const lines = [
    `${file} is written: ${issuer}, MFA ${mfa === 'keep' ? 'on' : 'off'}`,
    ...(account === undefined ? [] : [`${account.username} is administrator`]),
    ...(activation === undefined ? [] : [activation]),
    ...(typeof client?.client_secret === 'string' ? [`client ${client.client_id}: ${client.client_secret}`] : []),
  ]
  const admin = account && { ...accountJson(account), ...(activation !== undefined && { activation }) }
  return { text: lines.join('\n'), json: { config: file, issuer, mfa, admin: admin ?? null, client: client ?? null } }
}
