import { userInfo } from 'node:os'
import type { Command } from 'commander'
import type { Account } from '../accounts/account.ts'
import type { Installation } from '../app/installation.ts'
import type { AuditEvent, AuditEventName, Change } from '../audit/audit.ts'
import { createLogger } from '../kernel/logger.ts'
import type { Mail } from '../kernel/mail.ts'
import { createSortableIds } from '../kernel/sortable-id.ts'
import type { NoticeKind } from '../mail/notices.ts'
import { keepFileDecision } from '../mfa/policy/setup-decision.ts'
import { readConfig } from './configuration.ts'
import { CommandError } from './failure.ts'
import { invocationOf } from './invocation.ts'
import { print, type Result, say } from './output.ts'

/** Opens what the configuration names, does the work, prints its result and closes everything again. */
export function administer(command: Command, work: (installation: Installation) => Promise<Result>): Promise<void> {
  const { form } = invocationOf(command)
  return onInstallation(command, async (installation) => print(await work(installation), form))
}

/** The same for work that prints by itself. */
export async function onInstallation(
  command: Command,
  work: (installation: Installation) => Promise<void>,
): Promise<void> {
  const { file } = invocationOf(command)
  const log = await createLogger({ level: 'error', descriptor: 2, pretty: process.stderr.isTTY === true })
  const config = readConfig(file)
  const { openInstallation } = await import('../app/installation.ts')
  const installation = await openInstallation(config, { log })
  try {
    await work(installation)
  } finally {
    await installation.close()
  }
}

/** The account called so, by name or address; fails with a line that names it. */
export async function accountOf(installation: Installation, name: string): Promise<Account> {
  const account = await installation.accounts.findByLogin(name)
  if (account === undefined) throw new CommandError(`user "${name}" does not exist`)
  return account
}

/** Before the first accounts come from here: what the file answers holds also when it says nothing any more (A5, A10). */
export async function keepAnswer(installation: Installation): Promise<void> {
  await keepFileDecision(installation.setupDecision, installation)
  if (installation.setupDecision.from !== 'nobody') return
  say(
    'stepgate: nobody has answered whether a second factor is needed: with accounts and no answer the gateway starts without',
  )
}

/** The audit row of a change made here; the operating system's user is who ran the command, as far as that can be known. */
export function eventOf(
  event: AuditEventName,
  facts: { account?: Account; details?: AuditEvent['details']; mails?: Mail[] } = {},
): Change {
  return {
    event,
    outcome: 'ok',
    account: facts.account?.id,
    details: { ...facts.details, by: 'cli', operator: operator() },
    ...(facts.mails !== undefined && { mails: facts.mails }),
  }
}

/** What the owner is told of it, for `mails` of the change; the running gateway sends it. */
export function noticeOf(
  { notices, clock }: Installation,
  kind: NoticeKind,
  facts: { account: Account; also?: string | undefined; subject?: string | undefined },
): Mail[] {
  const { account, ...others } = facts
  return notices.of(kind, account, { time: clock.now(), ...others })
}

/** For what changes no row of an account: the command itself is the event. Throws when it cannot be written. */
export async function recordCommand(installation: Installation, name: string, account: Account): Promise<void> {
  const event: AuditEvent = eventOf('admin.command', { account, details: { command: name } })
  await installation.audit.append([
    { ...event, id: createSortableIds(installation.clock)(), time: installation.clock.now() },
  ])
}

function operator(): string | undefined {
  try {
    return userInfo().username
  } catch {
    // A container may run under a number that has no name.
    return undefined
  }
}
