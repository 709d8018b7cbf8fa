import { setTimeout as pause } from 'node:timers/promises'
import type { Command } from 'commander'
import type { Installation } from '../app/installation.ts'
import type { AuditRecord } from '../audit/audit.ts'
import { parseDuration } from '../config/schema/durations.ts'
import { MINUTE, SECOND } from '../kernel/clock.ts'
import { onInstallation } from './administration.ts'
import { CommandError, UsageError } from './failure.ts'
import { type Invocation, invocationOf } from './invocation.ts'
import { clean, jsonLine, timeText } from './output.ts'

interface AuditOptions {
  user?: string
  since?: string
  follow?: boolean
}

/** How many records are read at once. */
const PAGE = 500
const POLL = SECOND
/** An event is written a little after its time, and several processes write: `--follow` looks so far back each time. */
const LATE = MINUTE
/** How far back `--follow` begins without `--since`. */
const BEGINNING = 10 * MINUTE

export function addAudit(program: Command): void {
  program
    .command('audit')
    .description('audit events, newest last; with --json one object per line')
    .option('--user <name>', 'user name or address, or the id of a removed account')
    .option('--since <time>', 'how far back, such as 30d, or a date such as 2026-01-31 or 2026-01-31T12:00Z')
    .option('--follow', 'wait for more until a signal ends it; begins ten minutes back without --since')
    .action((options: AuditOptions, command: Command) =>
      onInstallation(command, (installation) => show(installation, options, invocationOf(command).form)),
    )
}

async function show(installation: Installation, options: AuditOptions, form: Invocation['form']): Promise<void> {
  const now = installation.clock.now()
  const given = options.since === undefined ? undefined : timeOf(options.since, now)
  const since = given ?? (options.follow === true ? now - BEGINNING : undefined)
  const account = options.user === undefined ? undefined : await idOf(installation, options.user)
  const write = await writer(installation, form)
  const query = { ...(account !== undefined && { account }), ...(since !== undefined && { since }) }
  const shown = new Map<string, number>()
  let after: string | undefined
  for (;;) {
    const page = await installation.audit.list({ ...query, ...(after !== undefined && { after }), limit: PAGE })
    for (const record of page) {
      await write(record)
      if (options.follow === true && record.time > now - LATE) shown.set(record.id, record.time)
    }
    after = page.at(-1)?.id
    if (page.length < PAGE) break
  }
  if (options.follow === true) await follow(installation, { account, shown, write })
}

async function follow(
  installation: Installation,
  { account, shown, write }: { account: string | undefined; shown: Map<string, number>; write: Write },
): Promise<void> {
  const ended = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ended.abort())
  while (!ended.signal.aborted) {
    const since = installation.clock.now() - LATE
    for (const record of await installation.audit.list({ ...(account !== undefined && { account }), since })) {
      if (shown.has(record.id)) continue
      shown.set(record.id, record.time)
      await write(record)
    }
    for (const [id, time] of shown) if (time < since) shown.delete(id)
    await pause(POLL, undefined, { signal: ended.signal }).catch(() => undefined)
  }
}

/** Milliseconds since the epoch. */
function timeOf(text: string, now: number): number {
  const span = parseDuration(text)
  if (span !== undefined) return now - span
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time))
    throw new UsageError('--since', 'expected a duration such as 30d, or a date such as 2026-01-31')
  return time
}

async function idOf(installation: Installation, name: string): Promise<string> {
  const account = await installation.accounts.findByLogin(name)
  if (account !== undefined) return account.id
  // The name of a removed account is gone: its events are found by its id.
  const [known] = await installation.audit.list({ account: name, limit: 1 })
  if (known === undefined) throw new CommandError(`user "${clean(name)}" does not exist`)
  return name
}

type Write = (record: AuditRecord) => Promise<void>

const COLUMNS = [
  ['TIME', 20],
  ['EVENT', 22],
  ['OUTCOME', 7],
  ['USER', 16],
  ['CLIENT', 12],
  ['ADDRESS', 15],
  ['DETAILS', 0],
] as const

/** Writes each record as it is read: the columns have fixed widths, so that no line has to wait for later ones. */
async function writer(installation: Installation, form: Invocation['form']): Promise<Write> {
  const names = new Map<string, string>()
  const nameOf = async (id: string): Promise<string> => {
    const known = names.get(id) ?? (await installation.accounts.find(id))?.username ?? id
    names.set(id, known)
    return known
  }
  if (form === 'json') return async (record) => line(jsonLine(jsonOf(record)))
  line(row(COLUMNS.map(([head]) => head)))
  return async (record) => {
    const { time, event, outcome, account, client = '-', ip = '-', details = {} } = record
    const user = account === undefined ? '-' : await nameOf(account)
    line(row([timeText(time), event, outcome, user, client, ip, detailsText(details)]))
  }
}

function jsonOf({ time, event, outcome, details, ...parties }: AuditRecord): Record<string, unknown> {
  const { account = null, client = null, ip = null, interaction = null } = parties
  return {
    time: new Date(time).toISOString(),
    event,
    outcome,
    account,
    client,
    ip,
    interaction,
    details: details ?? {},
  }
}

function detailsText(details: NonNullable<AuditRecord['details']>): string {
  return Object.entries(details)
    .map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(',') : value}`)
    .join(' ')
}

const row = (cells: readonly string[]): string =>
  cells
    .map((cell, column) => clean(cell).padEnd(COLUMNS[column]?.[1] ?? 0))
    .join('  ')
    .trimEnd()

const line = (text: string): void => void process.stdout.write(`${text}\n`)
