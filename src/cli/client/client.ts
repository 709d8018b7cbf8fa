import type { Command } from 'commander'
import { addClientAdd } from './add.ts'
import { addClientCheck } from './check.ts'
import { addClientList } from './list.ts'

export function addClient(program: Command): void {
  const client = program.command('client').description('relying parties')
  for (const add of [addClientAdd, addClientList, addClientCheck]) add(client)
}
