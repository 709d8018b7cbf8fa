import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Account } from '../../src/accounts/account.ts'
import type { NewAccount } from '../../src/accounts/account-store.ts'
import { createActivations } from '../../src/accounts/activation.ts'
import { createHasher } from '../../src/accounts/passwords.ts'
import type { Actor } from '../../src/administration/actor.ts'
import type { AuditRecord, AuditTrail } from '../../src/audit/audit.ts'
import { MINUTE } from '../../src/kernel/clock.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import { createNotices } from '../../src/mail/notices.ts'
import { createBypassCodes } from '../../src/mfa/factors/recovery-code/bypass-codes.ts'
import { createRememberedDevices } from '../../src/mfa/session/remembered-devices/remembered-devices.ts'
import type { Sessions } from '../../src/mfa/session/sessions.ts'
import { createSqlAccounts } from '../../src/sql/accounts.ts'
import { createSqlAudit } from '../../src/sql/audit.ts'
import { createSqlBindings } from '../../src/sql/bindings.ts'
import { createSqlOutbox } from '../../src/sql/outbox.ts'
import { createSqlSetupDecisions } from '../../src/sql/setup-decisions.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import type { Databases } from '../harness/databases.ts'
import { slow } from '../harness/slow.ts'

/** An administrator in a web console, which the command line is not. */
export const CONSOLE: Actor = { by: 'console', operator: 'account-of-the-administrator' }
export const ISSUER = 'https://id.example.test'
export const PASSWORD = 'tovika-lumebo-redafi-42'
const RECORD = { secret: 'JBSWY3DPEHPK3PXP', lastStep: 7 }
const trail: AuditTrail = { record: () => undefined, flush: async () => undefined, dropped: 0 }

/** Sessions by id, of one account each; the engine has its own tests. */
function createSessions(): Sessions & { of: Map<string, string> } {
  const of = new Map<string, string>()
  const theirs = (accountId: string): string[] =>
    [...of].filter(([, id]) => id === accountId).map(([session]) => session)
  return {
    of,
    list: async () => [],
    end: async (accountId, id) => theirs(accountId).includes(id) && of.delete(id),
    endAll: async (accountId) => theirs(accountId).filter((id) => of.delete(id)).length,
  }
}

export type TestAdministration = Awaited<ReturnType<typeof openAdministration>>

/** All that the deeds of an administrator work with, on a database of its own. */
export async function openAdministration(databases: Databases) {
  const { clock } = databases
  const database = await databases.open()
  const sealer = createSealer(deriveKey(Buffer.alloc(32, 1), 'administration'))
  const hasher = createHasher({ concurrency: 2, queue: 100, wait: 10_000 })
  const state = createEmbeddedState({ file: ':memory:' }, { clock, log: silentLog })
  const accounts = slow(createSqlAccounts(database, { hasher, clock }))
  const bindings = slow(createSqlBindings(database, { sealer }))
  const audit = slow(createSqlAudit(database))
  const outbox = createSqlOutbox(database, { clock })
  const notices = createNotices({ mail: true, serviceName: 'Example', locale: 'en', accountUrl: `${ISSUER}/account` })
  const sessions = createSessions()
  const heard: string[] = []
  const dependencies = {
    accounts,
    audit,
    bindings,
    clock,
    hasher,
    notices,
    sessions,
    state,
    activations: createActivations({ state, accounts }),
    bypassCodes: createBypassCodes({ bindings, notices, clock }),
    devices: createRememberedDevices({ grace: 0 }, { state, sealer, trail, clock, notify: async () => undefined }),
    issuer: ISSUER,
    limits: { codeFailuresInARow: 3 },
    passwordRules: { serviceName: 'Example', minLength: async () => 12 },
    setupDecision: { enabled: undefined, from: 'nobody' } as const,
    setupDecisions: createSqlSetupDecisions(database, { sealer, clock }),
    nobodyAnswered: () => void heard.push('nobody answered'),
  }
  return {
    dependencies,
    heard,
    close: () => state.close(),
    /** An account with an address, whatever else is said of it. */
    member(given: Partial<NewAccount> = {}): Promise<Account> {
      const username = `user-${randomUUID()}`
      const account = { username, email: `${username}@example.test`, ...given }
      return accounts.insert(account, { event: 'user.created', outcome: 'ok' })
    },
    async bind(accountId: string): Promise<void> {
      const binding = {
        id: randomUUID(),
        accountId,
        type: 'app',
        label: undefined,
        record: RECORD,
        boundAt: clock.now(),
      }
      const added = { event: 'factor.added', outcome: 'ok', account: accountId } as const
      assert.equal(await bindings.insert(binding, { maxOfType: 10, audit: added }), true)
    },
    remember: (account: Account): Promise<string> =>
      dependencies.devices.remember({
        account,
        method: 'app',
        provenAt: clock.now(),
        rememberDays: 30,
        request: { ip: '127.0.0.1', userAgent: 'test' },
      }),
    /** What the work wrote: audit rows in their order, and kind and reader of each mail. */
    async written(work: () => Promise<unknown>): Promise<{ rows: AuditRecord[]; mails: string[] }> {
      const before = new Set((await audit.list({})).map(({ id }) => id))
      for (const { id } of await outbox.claim(1000, MINUTE)) await outbox.remove(id)
      await work()
      const rows = (await audit.list({})).filter(({ id }) => !before.has(id))
      const mails = (await outbox.claim(1000, MINUTE)).map(({ mail }) => `${mail.data.kind} to ${mail.to}`)
      return { rows, mails: mails.sort() }
    },
  }
}
