import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { Installation } from '../../app/installation.ts'
import { administer } from '../administration.ts'
import { type Result, table, timeText } from '../output.ts'

export function addMfaReport(mfa: Command): void {
  mfa
    .command('report')
    .description('who has bound which second factor, and who has put it off (B10)')
    .action((_options: object, command: Command) => administer(command, report))
}

async function report(installation: Installation): Promise<Result> {
  const accounts = await installation.accounts.list()
  const people = await Promise.all(accounts.map((account) => lineOf(installation, account)))
  const without = people.filter(({ factors, disabled }) => factors.length === 0 && !disabled)
  const rows = people.map(({ username, disabled, factors, postponed }) => [
    username,
    disabled ? 'disabled' : factors.join(', ') || 'nothing bound',
    postponed.map(({ rule, count, since }) => `${rule ?? 'default'}: ${count} since ${since}`).join('; ') || '-',
  ])
  const summary = `${without.length} of ${people.length} have bound nothing`
  const text = `${table(['USER', 'FACTORS', 'PUT OFF'], rows)}\n${summary}`
  return { text, json: { accounts: people, withoutFactor: without.map(({ username }) => username) } }
}

async function lineOf(installation: Installation, account: Account) {
  const [bindings, postponements] = await Promise.all([
    installation.bindings.list(account.id),
    installation.postponements.list(account.id),
  ])
  return {
    username: account.username,
    disabled: account.disabled,
    // Recovery and bypass codes are for emergencies: nobody counts as protected because of them.
    factors: [...new Set(bindings.map(({ type }) => type))].filter(
      (type) => !installation.registry.get(type)?.fallback,
    ),
    postponed: postponements.map(({ rule, count, firstAt }) => ({ rule, count, since: timeText(firstAt) })),
  }
}
