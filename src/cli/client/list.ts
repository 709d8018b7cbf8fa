import type { Command } from 'commander'
import type { ClientConfig } from '../../config/schema/clients.ts'
import { readConfig } from '../configuration.ts'
import { invocationOf } from '../invocation.ts'
import { print, table } from '../output.ts'

export function addClientList(client: Command): void {
  client
    .command('list')
    .description('the relying parties of the configuration')
    .action((_options: object, command: Command) => {
      const { file, form } = invocationOf(command)
      const { clients } = readConfig(file)
      const text =
        clients.length > 0 ? table(['CLIENT', 'NAME', 'GRANTS', 'REDIRECTS'], clients.map(rowOf)) : 'no clients'
      print({ text, json: clients.map(jsonOf) }, form)
    })
}

function rowOf({ client_id, client_name = '-', grant_types, redirect_uris }: ClientConfig): string[] {
  return [client_id, client_name, grant_types.join(','), redirect_uris.join(' ') || '-']
}

/** Everything but the secret. */
function jsonOf({ client_secret, ...shown }: ClientConfig): Record<string, unknown> {
  return { ...shown, hasSecret: client_secret !== undefined }
}
