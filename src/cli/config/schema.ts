import type { Command } from 'commander'
import { jsonSchema } from '../../config/schema/json-schema.ts'
import { BLOCKS } from '../../mfa/factors/registry.ts'
import { print } from '../output.ts'

export function addConfigSchema(config: Command): void {
  config
    .command('schema')
    .description('the JSON Schema of the configuration file')
    .action(() => print({ text: '', json: jsonSchema(BLOCKS) }, 'json'))
}
