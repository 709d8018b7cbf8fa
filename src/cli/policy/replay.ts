import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { Installation } from '../../app/installation.ts'
import type { AuditRecord } from '../../audit/audit.ts'
import { ownPageOf } from '../../config/own-clients.ts'
import { parseDuration } from '../../config/schema/durations.ts'
import type { Binding } from '../../mfa/factors/binding-store.ts'
import type { Decider } from '../../mfa/policy/decider.ts'
import { compare, type ReplayOutcome } from '../../mfa/policy/replay.ts'
import { administer } from '../administration.ts'
import { readConfig } from '../configuration.ts'
import { UsageError } from '../failure.ts'
import type { Result } from '../output.ts'

export function addPolicyReplay(policy: Command): void {
  policy
    .command('replay')
    .argument('<file>', 'another configuration file')
    .description("what last month's sign-ins would have met under another file")
    .option('--since <duration>', 'how far back, such as 30d', '30d')
    .action((file: string, { since }: { since: string }, command: Command) =>
      administer(command, (installation) => replay(installation, { file, since })),
    )
}

/** Somebody who signed in, with the groups and factors of today: those of that day are not kept. */
interface Known {
  account: Account
  bindings: Binding[]
}

async function replay(installation: Installation, given: { file: string; since: string }): Promise<Result> {
  const span = parseDuration(given.since)
  if (span === undefined) throw new UsageError('--since', 'expected a duration such as 30d')
  const { decisionsOf } = await import('../../app/decisions.ts')
  const { createServices } = await import('../../app/services.ts')
  const today = await decisionsOf(installation)
  const other = await decisionsOf({ ...installation, ...(await createServices(readConfig(given.file), installation)) })
  const events = await installation.audit.list({ since: installation.clock.now() - span })
  const signIns = events.filter(
    ({ event, account, client }) => event === 'login.ok' && account !== undefined && client !== undefined,
  )
  const people = new Map<string, Known | undefined>()
  const outcomes = new Map<ReplayOutcome, Set<string>>()
  const counts: Record<ReplayOutcome, number> = { same: 0, more: 0, less: 0, denied: 0 }
  let gone = 0
  for (const signIn of signIns) {
    const id = signIn.account ?? ''
    if (!people.has(id)) people.set(id, await knownOf(installation, id))
    const known = people.get(id)
    if (known === undefined) {
      gone += 1
      continue
    }
    const outcome = compare(
      demandOf(today.decider, installation, signIn, known),
      demandOf(other.decider, installation, signIn, known),
    )
    counts[outcome] += 1
    outcomes.set(outcome, (outcomes.get(outcome) ?? new Set()).add(known.account.username))
  }
  const whom = (outcome: ReplayOutcome): string[] => [...(outcomes.get(outcome) ?? [])].sort()
  const accounts = { more: whom('more'), less: whom('less'), denied: whom('denied') }
  const json = { since: given.since, signIns: signIns.length, ...counts, gone, accounts }
  return { text: textOf(json), json }
}

async function knownOf(installation: Installation, id: string): Promise<Known | undefined> {
  const account = await installation.accounts.find(id)
  return account && { account, bindings: await installation.bindings.list(id) }
}

function demandOf(decider: Decider, { config }: Installation, { client, ip }: AuditRecord, known: Known) {
  const { account, bindings } = known
  const entry = config.clients.find(({ client_id }) => client_id === client)
  const place = { id: client ?? '', require: entry?.require, own: ownPageOf(client) }
  return decider.demandWith({ account, client: place, address: ip ?? '', requested: undefined }, bindings)
}

function textOf(json: {
  since: string
  signIns: number
  same: number
  more: number
  less: number
  denied: number
  gone: number
  accounts: Record<'more' | 'less' | 'denied', string[]>
}): string {
  const line = (label: string, count: number, names: string[]): string =>
    `${label.padEnd(14)}${String(count).padStart(6)}${names.length > 0 ? `  ${names.join(', ')}` : ''}`
  return [
    `${json.signIns} sign-ins in ${json.since}`,
    line('asked the same', json.same, []),
    line('asked more', json.more, json.accounts.more),
    line('asked less', json.less, json.accounts.less),
    line('denied', json.denied, json.accounts.denied),
    ...(json.gone > 0 ? [line('account gone', json.gone, [])] : []),
  ].join('\n')
}
