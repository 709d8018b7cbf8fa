import type { Command } from 'commander'
import { addConfigPrint } from './print.ts'
import { addConfigSchema } from './schema.ts'

export function addConfig(program: Command): void {
  const config = program.command('config').description('the configuration file')
  for (const add of [addConfigSchema, addConfigPrint]) add(config)
}
