import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { LoginTakenError } from '../../src/accounts/account-store.ts'
import { createHasher } from '../../src/accounts/passwords.ts'
import type { AuditEvent } from '../../src/audit/audit.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import { holdingDecision, keepFileDecision } from '../../src/mfa/policy/setup-decision.ts'
import type { SetupDecision, SetupDecisionStore } from '../../src/mfa/policy/setup-decision-store.ts'
import { createSqlAccounts } from '../../src/sql/accounts.ts'
import { createSqlAudit } from '../../src/sql/audit.ts'
import { createSqlBindings } from '../../src/sql/bindings.ts'
import type { Database } from '../../src/sql/database.ts'
import { createSqlSetupDecisions } from '../../src/sql/setup-decisions.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { slow } from '../harness/slow.ts'

const ANSWERED: AuditEvent = { event: 'setup.answered', outcome: 'ok' }
const DONE: AuditEvent = { event: 'setup.done', outcome: 'ok' }
const RECORD = { secret: 'JBSWY3DPEHPK3PXP', lastStep: 7 }

onEachDatabase('answer store', (databases) => {
  const { clock } = databases
  const sealer = createSealer(deriveKey(Buffer.alloc(32, 1), 'records'))
  const hasher = createHasher({ concurrency: 1, queue: 0, wait: 0 })
  const answerOf = (enabled: boolean, at = clock.now()): SetupDecision => ({ enabled, by: 'page', at })
  let db: Database
  let answers: SetupDecisionStore
  /** A database of its own for each test: there is one answer in each. */
  async function fresh(): Promise<void> {
    db = await databases.open()
    answers = slow(createSqlSetupDecisions(db, { sealer, clock }))
  }
  before(fresh)
  const accounts = () => createSqlAccounts(db, { hasher, clock })
  const events = async () => (await createSqlAudit(db).list({})).map(({ event }) => event)

  test('an answer is replaced by whoever has read the one that holds, with its audit row or not at all', async () => {
    await fresh()
    const [first, second] = [answerOf(true), answerOf(false)]
    assert.equal(await answers.get(), undefined)
    assert.equal(await answers.replace(undefined, first, ANSWERED), true)
    assert.equal(await answers.replace(undefined, second, ANSWERED), false)
    assert.equal(await answers.replace(answerOf(true, 1), second, ANSWERED), false)
    assert.deepEqual(await answers.get(), first)
    assert.equal(await answers.replace(first, second, ANSWERED), true)
    assert.deepEqual(await answers.get(), second)
    assert.deepEqual(await events(), ['setup.answered', 'setup.answered'])
  })

  test('ten who replace the same answer at the same time: one does', async () => {
    await fresh()
    const tried = await Promise.all(
      Array.from({ length: 10 }, (_, caller) => answers.replace(undefined, answerOf(true, caller), ANSWERED)),
    )
    assert.equal(tried.filter((written) => written).length, 1)
    assert.deepEqual(await events(), ['setup.answered'])
  })

  test('ten who finish set-up at the same time: one administrator, one factor, one answer', async () => {
    await fresh()
    const made = await Promise.all(
      Array.from({ length: 10 }, (_, caller) =>
        answers.finish(
          answerOf(caller % 2 === 0),
          {
            username: `admin-${caller}`,
            email: `a${caller}@example.test`,
            admin: true,
            emailVerified: true,
            binding: { type: 'totp', record: RECORD },
          },
          [ANSWERED, DONE],
        ),
      ),
    )
    const [admin, ...others] = made.filter((account) => account !== undefined)
    assert.deepEqual([others, await accounts().count()], [[], 1])
    assert.deepEqual([admin?.admin, admin?.emailVerified], [true, true])
    const list = await createSqlBindings(db, { sealer }).list(`${admin?.id}`)
    assert.deepEqual(
      list.map(({ type, record }) => ({ type, record })),
      [{ type: 'totp', record: RECORD }],
    )
    const rows = await createSqlAudit(db).list({ account: `${admin?.id}` })
    assert.deepEqual(
      rows.map(({ event }) => event),
      ['setup.answered', 'setup.done'],
    )
  })

  test('a name that is taken leaves no answer, no account and no audit row behind', async () => {
    await fresh()
    await accounts().insert({ username: 'anna' }, { event: 'user.created', outcome: 'ok' })
    const administrator = { username: 'ANNA', email: 'anna@example.test', admin: true }
    await assert.rejects(answers.finish(answerOf(true), administrator, [ANSWERED, DONE]), LoginTakenError)
    assert.equal(await answers.get(), undefined)
    assert.equal(await accounts().count(), 1)
    assert.deepEqual(await events(), ['user.created'])
  })

  test('the file holds, else what was answered, else that accounts are there; without any set-up waits', async () => {
    await fresh()
    const holding = (file?: boolean) => holdingDecision(file, { setupDecisions: answers, accounts: accounts() })
    assert.deepEqual(await holding(), { enabled: undefined, from: 'nobody' })
    await accounts().insert({ username: 'anna' }, { event: 'user.created', outcome: 'ok' })
    assert.deepEqual(await holding(), { enabled: false, from: 'accounts' })
    await answers.replace(undefined, answerOf(true), ANSWERED)
    assert.deepEqual(await holding(), { enabled: true, from: 'answer' })
    assert.deepEqual(await holding(false), { enabled: false, from: 'file' })
  })

  test('what the file says is kept for when it says nothing, with an audit row where it is something else', async () => {
    await fresh()
    const keep = (enabled: boolean) => keepFileDecision({ enabled, from: 'file' }, { setupDecisions: answers, clock })
    await keepFileDecision({ enabled: true, from: 'answer' }, { setupDecisions: answers, clock })
    assert.equal(await answers.get(), undefined)
    for (const enabled of [true, true, false]) await keep(enabled)
    assert.deepEqual(await answers.get(), { enabled: false, by: 'file', at: clock.now() })
    const rows = await createSqlAudit(db).list({})
    assert.deepEqual(
      rows.map(({ event, details }) => [event, details]),
      [
        ['setup.answered', { answer: 'keep', by: 'file' }],
        ['setup.answered', { answer: 'off', by: 'file' }],
      ],
    )
  })
})
