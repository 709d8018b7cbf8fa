import { type Command, Option } from 'commander'
import { stringify } from 'yaml'
import { addClient, type ClientNotAdded } from '../../administration/clients/add.ts'
import { PRESETS, type PresetName } from '../../config/schema/client-presets.ts'
import { makeConfig, readConfig } from '../configuration.ts'
import { CommandError, UsageError } from '../failure.ts'
import { invocationOf } from '../invocation.ts'
import { print } from '../output.ts'
import { collect } from '../user/account-options.ts'
import { insertClient } from './client-file.ts'

interface AddOptions {
  redirect?: string[]
  name?: string
  preset: PresetName
  write?: boolean
}

export function addClientAdd(client: Command): void {
  client
    .command('add')
    .argument('<id>', 'the client_id')
    .description('print the entry of a new client, with a fresh secret, to paste under clients:')
    .option('--redirect <uri>', 'where sign-ins return to; may be given several times', collect)
    .option('--name <name>', 'what users read')
    .addOption(new Option('--preset <preset>', 'kind of client').choices(Object.keys(PRESETS)).default('web'))
    .option('--write', 'insert it into the configuration file')
    .action(add)
}

function add(id: string, options: AddOptions, command: Command): void {
  const { file, form } = invocationOf(command)
  const { preset, name, redirect = [], write = false } = options
  const { issuer, clients } = readConfig(file)
  const outcome = addClient(
    {
      clients,
      read: (entry) => makeConfig({ issuer, clients: [entry] }),
      insert: write ? (entry) => insertClient(file, entry) : undefined,
    },
    { id, name, preset, redirects: redirect },
  )
  if (!outcome.ok) throw failureOf(outcome, { id, preset })
  const { entry } = outcome
  print({ text: stringify({ clients: [entry] }, { lineWidth: 0 }).trimEnd(), json: { ...entry, written: write } }, form)
}

function failureOf(refusal: ClientNotAdded, { id, preset }: { id: string; preset: PresetName }): Error {
  switch (refusal.reason) {
    case 'redirect-missing':
      return new UsageError('--redirect', `is needed for the preset ${preset}`)
    case 'redirect-broken':
      return new UsageError('--redirect', `"${refusal.uri}" is no absolute URL`)
    case 'exists':
      return new CommandError(`client "${id}" exists already`)
    case 'entry':
      return new UsageError(refusal.key, refusal.problem)
  }
}
