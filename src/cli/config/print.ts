import type { Command } from 'commander'
import { printConfig, shownConfig } from '../../config/reading/print.ts'
import { BLOCKS } from '../../mfa/factors/registry.ts'
import { readConfig } from '../configuration.ts'
import { invocationOf } from '../invocation.ts'
import { print } from '../output.ts'

export function addConfigPrint(config: Command): void {
  config
    .command('print')
    .description('the configuration in effect, defaults included, secrets masked')
    .action((_options: object, command: Command) => {
      const { file, form } = invocationOf(command)
      const effective = readConfig(file)
      const options = { blocks: BLOCKS }
      print({ text: printConfig(effective, options).trimEnd(), json: shownConfig(effective, options) }, form)
    })
}
