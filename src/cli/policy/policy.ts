import type { Command } from 'commander'
import { addPolicyExplain } from './explain.ts'
import { addPolicyReplay } from './replay.ts'

export function addPolicy(program: Command): void {
  const policy = program.command('policy').description('what the rules decide')
  for (const add of [addPolicyExplain, addPolicyReplay]) add(policy)
}
