import { execFileSync } from 'node:child_process'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { installCommand, missing } from '../test/harness/needs.ts'

/**
 * Makes sure that the programs the tests start are on this machine: root on Debian installs what is missing, anybody
 * else is told the command. Answers false when something is still missing; tests that need it then skip themselves and
 * say so.
 */
export function installDebianPackages(say: (line: string) => void): boolean {
  const wanted = missing()
  if (wanted.length === 0) return true
  const names = wanted.map(({ name }) => name).join(', ')
  const command = installCommand(wanted)
  if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
    say(`Not installed: ${names}. Tests that need them are left out. On Debian, as root:\n  ${command}`)
    return false
  }
  say(`Installing what the tests need: ${command}`)
  try {
    withoutServices(() => {
      apt('update')
      apt('install', '-y', '--no-install-recommends', ...wanted.map(({ debianPackage }) => debianPackage))
    })
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error)
    say(`Installing failed, tests that need ${names} are left out: ${reason}`)
  }
  return missing().length === 0
}

function apt(...given: string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  execFileSync('apt-get', ['-q', ...given], { env, stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 64 * 1024 * 1024 })
}

/** Debian starts a service it installs; the tests start their own, so the distribution's are told to stay down. */
function withoutServices(work: () => void): void {
  const policy = '/usr/sbin/policy-rc.d'
  const ours = !existsSync(policy)
  if (ours) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    work()
  } finally {
    if (ours) rmSync(policy)
  }
}
