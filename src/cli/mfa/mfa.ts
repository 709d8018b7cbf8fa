import type { Command } from 'commander'
import { addMfaBypass } from './bypass.ts'
import { addMfaDevices } from './devices.ts'
import { addMfaList } from './list.ts'
import { addMfaReport } from './report.ts'
import { addMfaReset } from './reset.ts'
import { addMfaUnlock } from './unlock.ts'

export function addMfa(program: Command): void {
  const mfa = program.command('mfa').description('second factors and remembered devices')
  for (const add of [addMfaList, addMfaReport, addMfaReset, addMfaBypass, addMfaUnlock, addMfaDevices]) add(mfa)
}
