import type { Command } from 'commander'
import type { Account } from '../../accounts/account.ts'
import type { Installation } from '../../app/installation.ts'
import { canonicalAddress } from '../../kernel/network.ts'
import { requestedAcr } from '../../mfa/assurance/acr.ts'
import { explain } from '../../mfa/policy/explanation.ts'
import type { Demand } from '../../mfa/policy/policy.ts'
import { accountOf, administer } from '../administration.ts'
import { CommandError, UsageError } from '../failure.ts'
import type { Result } from '../output.ts'

interface Options {
  user: string
  client: string
  ip: string
  acr?: string
}

export function addPolicyExplain(policy: Command): void {
  policy
    .command('explain')
    .description('which rule decides for a user at a client, what would be asked, and what the token would say')
    .requiredOption('--user <name>', 'user name or address')
    .requiredOption('--client <id>', 'client id')
    .option('--ip <address>', 'address of the browser', '127.0.0.1')
    .option('--acr <values>', 'acr_values of the request')
    .action((options: Options, command: Command) =>
      administer(command, (installation) => explainTo(installation, options)),
    )
}

async function explainTo(installation: Installation, options: Options): Promise<Result> {
  const address = canonicalAddress(options.ip)
  if (address === undefined) throw new UsageError('--ip', 'is no address')
  const client = installation.config.clients.find(({ client_id }) => client_id === options.client)
  if (client === undefined) throw new CommandError(`client "${options.client}" does not exist`)
  const account = await accountOf(installation, options.user)
  const { decisionsOf } = await import('../../app/decisions.ts')
  const { decider, acr } = await decisionsOf(installation)
  const asked = options.acr ?? client.default_acr_values?.join(' ')
  const request = requestedAcr(asked === undefined ? {} : { acr_values: asked }, acr)
  const place = { id: client.client_id, require: client.require }
  const bindings = await installation.bindings.list(account.id)
  const demanded = decider.demandWith({ account, client: place, address, requested: request.levels }, bindings)
  const usable = usableOf(installation, account, { demanded, bound: bindings.map(({ type }) => type) })
  const explanation = explain(demanded, { usable, acrValues: request.values }, { acr, lookup: decider.lookup })
  const reasons = account.disabled ? [...explanation.reasons, 'the account is disabled'] : explanation.reasons
  const shown = { ...explanation, acr: account.disabled ? null : explanation.acr, reasons }
  return { text: textOf(shown), json: shown }
}

function usableOf(
  { registry }: Installation,
  account: Account,
  { demanded, bound }: { demanded: Demand; bound: readonly string[] },
): string[] {
  return demanded.methods.filter((type) => bound.includes(type) || registry.get(type)?.usableUnbound(account))
}

function textOf(shown: {
  rule: string | null
  secondFactor: string
  require: string
  methods: readonly string[]
  rememberDays: number
  deny: boolean
  acr: string | null
  reasons: readonly string[]
}): string {
  return [
    `rule           ${shown.rule ?? '(none: the default)'}`,
    `secondFactor   ${shown.secondFactor}`,
    `require        ${shown.require}`,
    `methods        ${shown.methods.join(', ')}`,
    `rememberDays   ${shown.rememberDays}`,
    `deny           ${shown.deny ? 'yes' : 'no'}`,
    `acr            ${shown.acr ?? '(no token)'}`,
    'because',
    ...shown.reasons.map((reason) => `  ${reason}`),
  ].join('\n')
}
