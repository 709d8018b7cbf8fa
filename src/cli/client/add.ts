import { type Command, Option } from 'commander'
import { stringify } from 'yaml'
import type { Config } from '../../config/config.ts'
import { type ClientEntry, entryOf, PRESETS, type PresetName } from '../../config/schema/client-presets.ts'
import { ConfigError } from '../../kernel/errors.ts'
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
  const config = readConfig(file)
  const entry = entryOf(options.preset, { id, name: options.name, redirects: redirectsOf(options) })
  check(entry, config)
  const written = options.write === true
  if (written) insertClient(file, entry)
  print({ text: stringify({ clients: [entry] }, { lineWidth: 0 }).trimEnd(), json: { ...entry, written } }, form)
}

function redirectsOf({ redirect = [], preset }: AddOptions): string[] {
  if (redirect.length === 0 && preset !== 'machine') {
    throw new UsageError('--redirect', `is needed for the preset ${preset}`)
  }
  const broken = redirect.find((uri) => !URL.canParse(uri))
  if (broken !== undefined) throw new UsageError('--redirect', `"${broken}" is no absolute URL`)
  return redirect
}

/** The entry by itself, so that what is wrong with it is said in its own words. */
function check(entry: ClientEntry, { issuer, clients }: Config): void {
  if (clients.some(({ client_id }) => client_id === entry.client_id)) {
    throw new CommandError(`client "${entry.client_id}" exists already`)
  }
  try {
    makeConfig({ issuer, clients: [entry] })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new UsageError(error.key.replace(/^clients\[0\]\.?/, ''), error.reason)
  }
}
