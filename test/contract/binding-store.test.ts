import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { AccountGoneError } from '../../src/accounts/account-store.ts'
import { createHasher } from '../../src/accounts/passwords.ts'
import type { AuditEvent } from '../../src/audit/audit.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createSealer, deriveKey } from '../../src/kernel/secrets.ts'
import type { BindingStore } from '../../src/mfa/factors/binding-store.ts'
import { createSqlAccounts } from '../../src/sql/accounts.ts'
import { createSqlAudit } from '../../src/sql/audit.ts'
import { createSqlBindings } from '../../src/sql/bindings.ts'
import type { Database } from '../../src/sql/database.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { slow } from '../harness/slow.ts'

const PARALLEL = 10
const SECRET = 'JBSWY3DPEHPK3PXP'
const RECORD = { secret: SECRET, lastStep: 7 }
const added = (account: string): AuditEvent => ({ event: 'factor.added', outcome: 'ok', account })
const removed = (account: string): AuditEvent => ({ event: 'factor.removed', outcome: 'ok', account })
const inParallel = <R>(work: (caller: number) => Promise<R>): Promise<R[]> =>
  Promise.all(Array.from({ length: PARALLEL }, (_, caller) => work(caller)))

onEachDatabase('binding store', (databases) => {
  const { clock } = databases
  const sealer = createSealer(deriveKey(Buffer.alloc(32, 1), 'bindings'))
  const hasher = createHasher({ concurrency: 1, queue: 0, wait: 0 })
  let db: Database
  let bindings: BindingStore
  before(async () => {
    db = await databases.open()
    bindings = slow(createSqlBindings(db, { sealer }))
  })

  async function newAccount(): Promise<string> {
    const accounts = createSqlAccounts(db, { hasher, clock })
    const { id } = await accounts.insert({ username: randomUUID() }, { event: 'user.created', outcome: 'ok' })
    return id
  }
  async function bind(accountId: string, type = 'totp', record: unknown = RECORD): Promise<string> {
    const id = randomUUID()
    const binding = { id, accountId, type, label: undefined, record, boundAt: clock.now() }
    assert.equal(await bindings.insert(binding, { maxOfType: 100, audit: added(accountId) }), true)
    clock.advance(1)
    return id
  }
  const epochs = async (id: string): Promise<number[]> => {
    const account = await createSqlAccounts(db, { hasher, clock }).find(id)
    return [account?.factorEpoch ?? -1, account?.sessionEpoch ?? -1]
  }
  const eventsOf = async (account: string): Promise<string[]> =>
    (await createSqlAudit(db).list({ account })).map(({ event }) => event).slice(1)
  const recordOf = async (accountId: string): Promise<unknown> => (await bindings.list(accountId))[0]?.record

  test('bindings are listed oldest first, as they were inserted, and only those of the account', async () => {
    const account = await newAccount()
    const times = { boundAt: clock.now(), accountId: account }
    const second = {
      ...times,
      id: randomUUID(),
      type: 'x',
      label: 'Phone "1"\0',
      record: null,
      boundAt: clock.now() + 5,
    }
    const first = {
      ...times,
      id: randomUUID(),
      type: 'totp',
      label: undefined,
      record: { deep: ['å', 1, { a: null }] },
    }
    for (const binding of [second, first]) await bindings.insert(binding, { maxOfType: 1, audit: added(account) })
    await bind(await newAccount())
    assert.deepEqual(await bindings.list(account), [
      { ...first, version: 1, lastUsedAt: undefined },
      { ...second, label: 'Phone "1"\u{FFFD}', version: 1, lastUsedAt: undefined },
    ])
    assert.deepEqual(await bindings.list(randomUUID()), [])
  })

  test('insert and remove raise the factor epoch and write their audit row', async () => {
    const account = await newAccount()
    const id = await bind(account)
    assert.deepEqual(await epochs(account), [1, 0])
    assert.equal(await bindings.remove(account, id, { audit: removed(account) }), 'removed')
    assert.deepEqual(await epochs(account), [2, 0])
    assert.deepEqual(await bindings.list(account), [])
    assert.deepEqual(await eventsOf(account), ['factor.added', 'factor.removed'])
  })

  test('FB-9: what its owner binds or removes outside of a sign-in ends sign-ins and sessions, and what was refused does not', async () => {
    const account = await newAccount()
    const own = { accountId: account, type: 'totp', label: undefined, record: RECORD, boundAt: clock.now() }
    const insert = (id: string): Promise<boolean> =>
      bindings.insert({ ...own, id }, { maxOfType: 1, audit: added(account), endsSignIns: true })
    const id = randomUUID()
    assert.deepEqual([await insert(id), await epochs(account)], [true, [1, 1]])
    assert.deepEqual([await insert(randomUUID()), await epochs(account)], [false, [1, 1]])
    const remove = (keep: string[][]) =>
      bindings.remove(account, id, { audit: removed(account), keep, endsSignIns: true })
    assert.deepEqual([await remove([['totp']]), await epochs(account)], ['last', [1, 1]])
    assert.deepEqual([await remove([]), await epochs(account)], ['removed', [2, 2]])
  })

  test('ten inserts at the same time where one is allowed: one binding, one epoch, one audit row', async () => {
    // In the first turns the connections of the pool are still being made, one after the other.
    for (let turn = 0; turn < 5; turn++) {
      const account = await newAccount()
      await bind(account, 'email')
      const answers = await inParallel((caller) => {
        const id = `${caller}-${account}`
        const binding = { id, accountId: account, type: 'totp', label: undefined, record: RECORD, boundAt: clock.now() }
        return bindings.insert(binding, { maxOfType: 1, audit: added(account) })
      })
      assert.equal(answers.filter(Boolean).length, 1)
      assert.equal((await bindings.list(account)).filter(({ type }) => type === 'totp').length, 1)
      assert.deepEqual(await epochs(account), [2, 0])
      assert.equal((await eventsOf(account)).length, 2)
    }
  })

  test('ten answers with one code at the same time: replace moves the record once (TO-4)', async () => {
    const account = await newAccount()
    const id = await bind(account)
    const answers = await inParallel((caller) =>
      bindings.replace(id, 1, { record: { ...RECORD, lastStep: caller }, lastUsedAt: clock.now() }),
    )
    assert.equal(answers.filter(Boolean).length, 1)
    const [binding] = await bindings.list(account)
    assert.deepEqual(binding?.record, { ...RECORD, lastStep: answers.indexOf(true) })
    assert.deepEqual([binding?.version, binding?.lastUsedAt], [2, clock.now()])
    assert.deepEqual(await epochs(account), [1, 0], 'use of a factor is no change of factors')
  })

  test('ten inserts with one id at the same time, where several are allowed: one binding', async () => {
    const account = await newAccount()
    const binding = { id: randomUUID(), accountId: account, type: 'x', label: undefined, record: 1, boundAt: 0 }
    const answers = await inParallel((caller) =>
      bindings.insert({ ...binding, record: caller }, { maxOfType: 100, audit: added(account) }),
    )
    assert.equal(answers.filter(Boolean).length, 1)
    assert.deepEqual(await recordOf(account), answers.indexOf(true))
    assert.deepEqual(await epochs(account), [1, 0])
    assert.equal((await eventsOf(account)).length, 1)
  })

  test('TD-6: a use that ends remembered devices raises the factor epoch and is written, once of ten', async () => {
    const account = await newAccount()
    const id = await bind(account)
    const mail = { to: 'a@example.test', template: 'notice', locale: 'en', data: { kind: 'recovery-used' } }
    const ends = { event: 'recovery.used', outcome: 'ok', account, mails: [mail] } as const
    const answers = await inParallel((caller) => bindings.replace(id, 1, { record: caller, lastUsedAt: 7, ends }))
    assert.equal(answers.filter(Boolean).length, 1)
    assert.deepEqual(await epochs(account), [2, 0])
    assert.deepEqual(await eventsOf(account), ['factor.added', 'recovery.used'])
    const { count } = await db.kysely
      .selectFrom('outbox')
      .select(({ fn }) => fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow()
    assert.equal(Number(count), 1)
    assert.equal(await bindings.replace(id, 1, { record: 0, lastUsedAt: 7, ends }), false)
    assert.deepEqual(await epochs(account), [2, 0])
    await bindings.remove(account, id, { audit: removed(account) })
    assert.equal(await bindings.replace(id, 2, { record: 0, lastUsedAt: 7, ends }), false)
  })

  test('a use that is written is written with it, once of ten, and ends nothing', async () => {
    const account = await newAccount()
    const id = await bind(account)
    const audit = { event: 'bypass.used', outcome: 'ok', account } as const
    const answers = await inParallel((caller) => bindings.replace(id, 1, { record: caller, lastUsedAt: 7, audit }))
    assert.equal(answers.filter(Boolean).length, 1)
    assert.deepEqual(await epochs(account), [1, 0])
    assert.deepEqual(await eventsOf(account), ['factor.added', 'bypass.used'])
  })

  test('replace refuses any version but the expected one, and what is not there', async () => {
    const account = await newAccount()
    const id = await bind(account)
    const change = { record: 'other', lastUsedAt: clock.now() }
    for (const expected of [0, 2, -1]) assert.equal(await bindings.replace(id, expected, change), false)
    assert.equal(await bindings.replace(randomUUID(), 1, change), false)
    assert.deepEqual(await recordOf(account), RECORD)
    await bindings.remove(account, id, { audit: removed(account) })
    assert.equal(await bindings.replace(id, 1, change), false)
  })

  test('a process that never listed a binding replaces it all the same, readably for the others', async () => {
    const account = await newAccount()
    const id = await bind(account)
    const other = createSqlBindings(db, { sealer })
    assert.equal(await other.replace(id, 1, { record: 'moved', lastUsedAt: clock.now() }), true)
    assert.equal(await recordOf(account), 'moved')
  })

  test('FB-6: nobody removes a binding of another account', async () => {
    const [owner, other] = [await newAccount(), await newAccount()]
    const id = await bind(owner)
    assert.equal(await bindings.remove(other, id, { audit: removed(other) }), 'not-theirs')
    assert.equal((await bindings.list(owner)).length, 1)
    assert.deepEqual(await epochs(other), [0, 0])
    assert.deepEqual(await eventsOf(other), [])
  })

  test('ten removals at the same time: one of them did it', async () => {
    const account = await newAccount()
    const id = await bind(account)
    const answers = await inParallel(() => bindings.remove(account, id, { audit: removed(account) }))
    assert.equal(answers.filter((answer) => answer === 'removed').length, 1)
    assert.deepEqual(await epochs(account), [2, 0])
  })

  test('FB-7: of several removals at the same time one leaves what has to be kept', async () => {
    const account = await newAccount()
    const ids = [await bind(account), await bind(account), await bind(account, 'email')]
    const keep = [['totp', 'x']]
    const answers = await Promise.all(ids.map((id) => bindings.remove(account, id, { audit: removed(account), keep })))
    assert.deepEqual(answers.toSorted(), ['last', 'removed', 'removed'])
    assert.deepEqual(
      (await bindings.list(account)).map(({ type }) => type),
      ['totp'],
    )
    assert.equal((await eventsOf(account)).length, 5)
  })

  test('FB-6: a name and a note are for the owner alone, and change no epoch', async () => {
    const [owner, other] = [await newAccount(), await newAccount()]
    const id = await bind(owner)
    const audit = (account: string): AuditEvent => ({ event: 'factor.renamed', outcome: 'ok', account })
    assert.equal(await bindings.rename(other, id, { label: 'mine', audit: audit(other) }), false)
    assert.equal(await bindings.note(other, id, audit(other)), false)
    assert.equal((await bindings.list(owner))[0]?.label, undefined)
    assert.equal(await bindings.rename(owner, id, { label: 'work phone', audit: audit(owner) }), true)
    assert.equal(await bindings.note(owner, id, audit(owner)), true)
    assert.deepEqual([(await bindings.list(owner))[0]?.label, await epochs(owner)], ['work phone', [1, 0]])
    assert.deepEqual(await eventsOf(owner), ['factor.added', 'factor.renamed', 'factor.renamed'])
    assert.deepEqual(await eventsOf(other), [])
  })

  test('removeAll ends factors and counters of one account, raises both epochs, is audited even for none', async () => {
    const [account, other] = [await newAccount(), await newAccount()]
    await bind(account)
    await bind(account, 'email')
    await bind(other)
    for (const id of [account, other]) await bindings.countAttempt(id, 'totp')
    const reset: AuditEvent = { event: 'factor.admin_reset', outcome: 'ok', account, details: { reason: 'lost' } }
    assert.equal(await bindings.removeAll(account, reset), 2)
    assert.deepEqual(await bindings.list(account), [])
    assert.equal(await bindings.countAttempt(account, 'totp'), 1)
    assert.deepEqual(await epochs(account), [3, 1])
    assert.equal((await bindings.list(other)).length, 1)
    assert.equal(await bindings.countAttempt(other, 'totp'), 2)
    assert.equal(await bindings.removeAll(account, reset), 0)
    assert.deepEqual((await eventsOf(account)).slice(2), ['factor.admin_reset', 'factor.admin_reset'])
  })

  test('LG-4: a change whose audit row cannot be written does not happen', async () => {
    const account = await newAccount()
    const id = await bind(account)
    await bindings.countAttempt(account, 'totp')
    const circular: Record<string, string[]> = {}
    Object.assign(circular, { self: circular })
    const audit: AuditEvent = { ...added(account), details: circular }
    const binding = { id: randomUUID(), accountId: account, type: 'x', label: undefined, record: 1, boundAt: 0 }
    await assert.rejects(bindings.insert(binding, { maxOfType: 1, audit }))
    await assert.rejects(bindings.remove(account, id, { audit }))
    await assert.rejects(bindings.removeAll(account, audit))
    await assert.rejects(bindings.replace(id, 1, { record: 1, lastUsedAt: 0, ends: audit }))
    await assert.rejects(bindings.clearAttempts(account, 'totp', audit))
    assert.deepEqual(
      (await bindings.list(account)).map((kept) => kept.id),
      [id],
    )
    assert.deepEqual(await epochs(account), [1, 0])
    assert.equal(await bindings.countAttempt(account, 'totp'), 2)
  })

  test('RL-4: ten attempts at the same time get ten numbers, per account and type', async () => {
    const [account, other] = [await newAccount(), await newAccount()]
    const numbers = await inParallel(() => bindings.countAttempt(account, 'totp'))
    assert.deepEqual(
      numbers.toSorted((a, b) => a - b),
      Array.from({ length: PARALLEL }, (_, index) => index + 1),
    )
    assert.equal(await bindings.countAttempt(account, 'email'), 1)
    assert.equal(await bindings.countAttempt(other, 'totp'), 1)
    await bindings.clearAttempts(account, 'totp')
    await bindings.clearAttempts(account, 'totp')
    assert.equal(await bindings.countAttempt(account, 'totp'), 1)
    assert.equal(await bindings.countAttempt(account, 'email'), 2, 'success resets only the authenticator used (RL-6)')
  })

  test('failures in a row are told by type, and an administrator ends those of one type alone, audited', async () => {
    const [account, other] = [await newAccount(), await newAccount()]
    for (const type of ['totp', 'email', 'totp']) await bindings.countAttempt(account, type)
    await bindings.countAttempt(other, 'totp')
    assert.deepEqual(await bindings.attempts(account), [
      { type: 'email', failures: 1 },
      { type: 'totp', failures: 2 },
    ])
    await bindings.clearAttempts(account, 'totp', { event: 'factor.unlocked', outcome: 'ok', account })
    assert.deepEqual(await bindings.attempts(account), [{ type: 'email', failures: 1 }])
    assert.deepEqual(await bindings.attempts(other), [{ type: 'totp', failures: 1 }])
    assert.deepEqual(await eventsOf(account), ['factor.unlocked'])
  })

  test('records are sealed: nothing of one is readable in the database', async () => {
    const account = await newAccount()
    await bind(account)
    const rows = await db.kysely.selectFrom('bindings').selectAll().where('account_id', '=', account).execute()
    assert.equal(rows.length, 1)
    assert.doesNotMatch(JSON.stringify(rows), new RegExp(`${SECRET}|lastStep`))
  })

  test('KM-5: a record moved to another row, account or type is not opened, nor is one under another key', async () => {
    const [owner, other] = [await newAccount(), await newAccount()]
    const [id, copy] = [await bind(owner), await bind(other)]
    const table = db.kysely.updateTable('bindings')
    const { record } = await db.kysely
      .selectFrom('bindings')
      .select('record')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
    await table.set({ record }).where('id', '=', copy).execute()
    await assert.rejects(bindings.list(other), 'the row of another account')
    await bindings.remove(other, copy, { audit: removed(other) })
    const sibling = await bind(owner)
    await table.set({ record }).where('id', '=', sibling).execute()
    await assert.rejects(bindings.list(owner), 'another row of the same account and type')
    await bindings.remove(owner, sibling, { audit: removed(owner) })
    await table.set({ account_id: other }).where('id', '=', id).execute()
    await assert.rejects(bindings.list(other), 'another account')
    await table.set({ account_id: owner, type: 'other' }).where('id', '=', id).execute()
    await assert.rejects(bindings.list(owner), 'another type')
    await table.set({ type: 'totp' }).where('id', '=', id).execute()
    assert.deepEqual(await recordOf(owner), RECORD)
    const stranger = createSqlBindings(db, { sealer: createSealer(deriveKey(Buffer.alloc(32, 2), 'bindings')) })
    await assert.rejects(stranger.list(owner), 'another key')
  })

  test('KM-6: a record that cannot be opened makes list throw, with an alarm, and is never "no factor"', async () => {
    const account = await newAccount()
    const [broken] = [await bind(account), await bind(account, 'email')]
    await db.kysely.updateTable('bindings').set({ record: 'AAAA' }).where('id', '=', broken).execute()
    const alarms: string[] = []
    const log = { ...silentLog, error: (message: string) => void alarms.push(message) }
    await assert.rejects(createSqlBindings({ ...db, log }, { sealer }).list(account), /cannot be opened/)
    assert.deepEqual(alarms, ['a sealed record cannot be opened'])
  })

  test('bindings and counters go with their account; factors of nobody cannot be made', async () => {
    const account = await newAccount()
    const id = await bind(account)
    await bindings.countAttempt(account, 'totp')
    await createSqlAccounts(db, { hasher, clock }).remove(account, { event: 'user.deleted', outcome: 'ok', account })
    assert.deepEqual(await bindings.list(account), [])
    assert.equal(await bindings.replace(id, 1, { record: 1, lastUsedAt: 0 }), false)
    const binding = { id, accountId: account, type: 'totp', label: undefined, record: RECORD, boundAt: 0 }
    await assert.rejects(bindings.insert(binding, { maxOfType: 1, audit: added(account) }), AccountGoneError)
    await assert.rejects(bindings.countAttempt(account, 'totp'))
    const rows = await db.kysely.selectFrom('attempts').selectAll().where('account_id', '=', account).execute()
    assert.deepEqual(rows, [])
    assert.equal((await eventsOf(account)).at(-1), 'user.deleted', 'the audit stays')
  })
})
