import type { Command } from 'commander'
import type { Installation } from '../../app/installation.ts'
import type { Binding } from '../../mfa/factors/binding-store.ts'
import { accountOf, administer } from '../administration.ts'
import { type Result, table, timeText } from '../output.ts'

export function addMfaList(mfa: Command): void {
  mfa
    .command('list')
    .argument('<name>', 'user name or address')
    .description('the second factors a user has bound; never their secrets')
    .action((name: string, _options: object, command: Command) =>
      administer(command, (installation) => list(installation, name)),
    )
}

async function list(installation: Installation, name: string): Promise<Result> {
  const account = await accountOf(installation, name)
  const bindings = await installation.bindings.list(account.id)
  const factors = bindings.map((binding) => factorOf(installation, binding))
  const rows = factors.map(({ id, type, label, codesLeft, bypass, boundAt, lastUsedAt }) => [
    type,
    label ?? reserveText(codesLeft, bypass),
    boundAt,
    lastUsedAt ?? 'never',
    id,
  ])
  const text =
    rows.length > 0
      ? table(['TYPE', 'LABEL', 'BOUND', 'LAST USED', 'ID'], rows)
      : `${account.username} has bound nothing`
  return { text, json: factors }
}

interface Factor {
  id: string
  type: string
  label: string | null
  boundAt: string
  lastUsedAt: string | null
  /** Of recovery and bypass codes only: how many can still be used, and whether an administrator gave it out. */
  codesLeft?: number
  bypass?: boolean
}

function factorOf({ registry, clock }: Installation, binding: Binding): Factor {
  const { id, type, label = null, boundAt, lastUsedAt } = binding
  const reserve = registry.get(type)?.fallback?.reserve([binding], clock.now())
  return {
    id,
    type,
    label,
    boundAt: timeText(boundAt),
    lastUsedAt: lastUsedAt === undefined ? null : timeText(lastUsedAt),
    ...(reserve !== undefined && { codesLeft: reserve.codes, bypass: reserve.bypass }),
  }
}

function reserveText(codes: number | undefined, bypass: boolean | undefined): string {
  if (codes === undefined) return '-'
  return bypass === true ? 'bypass code' : `${codes} left`
}
