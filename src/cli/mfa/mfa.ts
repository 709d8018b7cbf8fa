import type { Command } from 'commander'
import { addMfaDevices } from './devices.ts'
import { addMfaList } from './list.ts'
import { addMfaReport } from './report.ts'
import { addMfaReset } from './reset.ts'

export function addMfa(program: Command): void {
  const mfa = program.command('mfa').description('second factors and remembered devices')
  for (const add of [addMfaList, addMfaReport, addMfaReset, addMfaDevices]) add(mfa)
}
