import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { openInstallation } from '../src/app/installation.ts'
import { readConfig } from '../src/cli/configuration.ts'
import { freePort } from '../test/harness/services.ts'
import type { Member } from './crowd.ts'
import { CLIENT, PASSWORD, type ServerProcess, startServer } from './server-process.ts'
import type { Kind, Stores } from './subject.ts'

const PROGRAM = fileURLToPath(new URL('../bin/stepgate.js', import.meta.url))
/**
 * Limits that one address with thousands of accounts would meet; those per account and those on failures stay as they
 * are.
 */
const LIMITS = { interactionsPerAddress: 1_000_000, accountsPerAddress: 100_000 }
export const MFA = { enabled: true, methods: ['totp'], rememberDays: 30 }
export const NAME = 'Bench'

export const gateway: Kind = {
  name: 'gateway',

  async start(stores, options) {
    const port = await freePort()
    const program = [PROGRAM, 'serve', '--config', writeConfiguration(stores, port)]
    return startServer({ program, port, environment: {}, ...options })
  },

  async enrol(stores, { accounts, passwordHash }): Promise<Member[]> {
    const config = readConfig(writeConfiguration(stores, await freePort()))
    const installation = await openInstallation(config)
    const members: Member[] = []
    for (let number = 0; number < accounts; number++) {
      const username = `person${number}`
      const account = {
        username,
        email: `${username}@example.com`,
        name: `Person ${number}`,
        passwordHash,
        admin: number === 0,
      }
      await installation.accounts.insert(account, { event: 'user.created', outcome: 'ok' })
      members.push({ username, password: PASSWORD })
    }
    await installation.close()
    return members
  },
}

/** A gateway whose file can be written anew while it runs. */
export interface ReloadableGateway {
  server: ServerProcess
  file: string
  /** What it was started with, and these keys besides. */
  textWith(changed: Record<string, unknown>): string
}

export async function startReloadable(stores: Stores, onLine: (line: string) => void): Promise<ReloadableGateway> {
  const port = await freePort()
  const file = writeConfiguration(stores, port)
  const program = [PROGRAM, 'serve', '--config', file]
  const server = await startServer({ program, port, environment: {}, hash: 'real', onLine })
  return { server, file, textWith: (changed) => stringify({ ...configurationOf(stores, port), ...changed }) }
}

function writeConfiguration(stores: Stores, port: number): string {
  const file = join(stores.folder, `stepgate-${port}.yaml`)
  writeFileSync(file, stringify(configurationOf(stores, port)))
  return file
}

function configurationOf(stores: Stores, port: number) {
  const key = join(stores.folder, 'secret.key')
  if (!existsSync(key)) {
    writeFileSync(key, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
    chmodSync(key, 0o600)
  }
  return {
    issuer: `http://127.0.0.1:${port}`,
    listen: { host: '127.0.0.1', port },
    secretKey: `\${file:${key}}`,
    stores: { state: stores.redis, accounts: stores.postgres, dataDir: stores.folder },
    branding: { name: NAME },
    mfa: MFA,
    clock: { check: 'off' },
    limits: LIMITS,
    clients: [CLIENT],
  }
}
