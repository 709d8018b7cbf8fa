import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import { type Account, loginKey } from '../../src/accounts/account.ts'
import { type AccountAdmin, AccountGoneError, LoginTakenError } from '../../src/accounts/account-store.ts'
import { createHasher, type Hasher } from '../../src/accounts/passwords.ts'
import type { AuditEvent, AuditStore } from '../../src/audit/audit.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { createSqlAccounts } from '../../src/sql/accounts.ts'
import { createSqlAudit } from '../../src/sql/audit.ts'
import type { Database } from '../../src/sql/database.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { slow } from '../harness/slow.ts'

const PARALLEL = 10
const PASSWORD = 'correct horse battery staple'
const OUTDATED = '$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$'
const created: AuditEvent = { event: 'user.created', outcome: 'ok' }
const changedBy = (account: string): AuditEvent => ({ event: 'user.changed', outcome: 'ok', account })
const uniqueName = (): string => `user-${randomUUID()}`

/** Counts what it is asked; `broken` makes its next hash fail. */
function counting(hasher: Hasher): Hasher & { verified: (string | undefined)[]; broken: boolean } {
  const own = { verified: [] as (string | undefined)[], broken: false }
  return Object.assign(own, {
    async hash(password: string) {
      if (own.broken) throw new UnavailableError('hasher')
      return await hasher.hash(password)
    },
    verify(hash: string | undefined, password: string) {
      own.verified.push(hash)
      return hasher.verify(hash, password)
    },
    outdated: hasher.outdated,
  })
}

onEachDatabase('account store', (databases) => {
  const { clock } = databases
  const hasher = counting(createHasher({ concurrency: 2, queue: 100, wait: 10_000 }))
  let db: Database
  let accounts: AccountAdmin
  let audit: AuditStore
  let hash: string
  before(async () => {
    db = await databases.open()
    accounts = slow(createSqlAccounts(db, { hasher, clock }))
    audit = createSqlAudit(db)
    hash = await hasher.hash(PASSWORD)
  })
  const insert = (account: Partial<Parameters<AccountAdmin['insert']>[0]> = {}): Promise<Account> =>
    accounts.insert({ username: uniqueName(), ...account }, created)
  const eventsOf = async (account: string): Promise<string[]> =>
    (await audit.list({ account })).map(({ event }) => event)
  const auditCount = async (): Promise<number> => (await audit.list({})).length

  test('an account comes back as it was inserted, by id, name and address', async () => {
    const username = `Ånna-${randomUUID()}`
    const email = `${randomUUID()}@Example.COM`
    const account = await insert({ username, email, name: 'Anna', groups: ['a', 'b,"c'], admin: true })
    assert.deepEqual(account, {
      id: account.id,
      username,
      email,
      emailVerified: false,
      name: 'Anna',
      groups: ['a', 'b,"c'],
      admin: true,
      locale: undefined,
      disabled: false,
      passwordEpoch: 0,
      factorEpoch: 0,
      sessionEpoch: 0,
      createdAt: clock.now(),
      updatedAt: clock.now(),
    })
    assert.deepEqual(await accounts.find(account.id), account)
    assert.deepEqual(await accounts.findByLogin(username), account)
    assert.deepEqual(await accounts.findByLogin(email), account)
    assert.equal(await accounts.find(randomUUID()), undefined)
    assert.equal(await accounts.findByLogin(uniqueName()), undefined)
    assert.deepEqual(await eventsOf(account.id), ['user.created'])
  })

  test('every spelling that loginKey makes equal finds the same account (RL-5)', async () => {
    const unique = randomUUID()
    const account = await insert({ username: `Å${unique}` })
    for (const spelling of [`å${unique}`, `A\u{30A}${unique}`, `  Å${unique.toUpperCase()} `])
      assert.equal((await accounts.findByLogin(spelling))?.id, account.id)
  })

  test('hostile names find nobody and break nothing (IN-3)', async () => {
    for (const login of ['', '\0', "' or 1=1 --", 'a\0b', '\ud800', '%', '_', 'x'.repeat(20_000)]) {
      assert.equal(await accounts.findByLogin(login), undefined)
      assert.equal(await accounts.authenticate(login, PASSWORD), undefined)
      assert.equal(await accounts.find(login), undefined)
    }
  })

  test('CVE-2024-1722: a name equal to an address of another account is refused, and the other way round', async () => {
    const email = `${randomUUID()}@example.com`
    const { username } = await insert({ email })
    const before = { count: await accounts.count(), audit: await auditCount() }
    for (const taken of [
      { username: email.toUpperCase() },
      { username },
      { username: uniqueName(), email },
      { username: uniqueName(), email: username },
    ])
      await assert.rejects(accounts.insert(taken, created), LoginTakenError)
    const other = await insert()
    await assert.rejects(accounts.update(other.id, { email }, changedBy(other.id)), (error: unknown) => {
      return error instanceof LoginTakenError && error.login === email
    })
    assert.deepEqual(await accounts.find(other.id), other)
    assert.deepEqual({ count: (await accounts.count()) - 1, audit: (await auditCount()) - 1 }, before)
  })

  test('an account whose name is its address has one login, and frees it when both are gone', async () => {
    const login = `${randomUUID()}@example.com`
    const account = await insert({ username: login, email: login })
    await accounts.update(account.id, { email: null }, changedBy(account.id))
    assert.equal((await accounts.findByLogin(login))?.id, account.id)
    await accounts.remove(account.id, changedBy(account.id))
    assert.equal(await accounts.findByLogin(login), undefined)
    await insert({ email: login })
  })

  test('ten inserts of one name at the same time: one account, nine times LoginTaken', async () => {
    const username = uniqueName()
    const answers = await Promise.allSettled(Array.from({ length: PARALLEL }, () => insert({ username })))
    assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const answer of answers) if (answer.status === 'rejected') assert.ok(answer.reason instanceof LoginTakenError)
  })

  test('many inserted at once are all there, each with its audit row, and the progress is told', async () => {
    const unique = randomUUID()
    const name = (index: number): string => `Many-${unique}-${index}`
    const entries = Array.from({ length: 1203 }, (_, index) => ({
      account: { username: name(index), email: `${name(index)}@example.com`, groups: ['moved'], passwordHash: hash },
      audit: { ...created, details: { row: index } },
    }))
    const heard: number[] = []
    const before = await accounts.count()
    await accounts.insertMany(entries, (written) => heard.push(written))
    assert.deepEqual(heard, [500, 1000, 1203])
    assert.equal(await accounts.count(), before + 1203)
    const last = await accounts.findByLogin(`${name(1202)}@EXAMPLE.com`)
    assert.deepEqual([last?.username, last?.groups], [name(1202), ['moved']])
    const events = await audit.list({ account: last?.id ?? '' })
    assert.deepEqual(
      events.map(({ event, details }) => [event, details]),
      [['user.created', { row: 1202 }]],
    )
    assert.equal((await accounts.authenticate(name(7), PASSWORD))?.username, name(7))
    await accounts.insertMany([])
  })

  test('of many, one that is taken, among them or before, means that none is there (CVE-2024-1722)', async () => {
    const { username } = await insert()
    const twin = uniqueName()
    const others = (): { username: string }[] => Array.from({ length: 600 }, () => ({ username: uniqueName() }))
    const before = { count: await accounts.count(), audit: await auditCount() }
    for (const spoilt of [
      [...others(), { username: uniqueName(), email: username.toUpperCase() }],
      [{ username: twin }, ...others(), { username: twin.toUpperCase() }],
      [{ username: uniqueName(), email: twin }, { username: twin }],
    ]) {
      const entries = spoilt.map((account) => ({ account, audit: created }))
      await assert.rejects(accounts.insertMany(entries), LoginTakenError)
      assert.deepEqual({ count: await accounts.count(), audit: await auditCount() }, before)
    }
    await insert({ username: twin })
  })

  test('which names are taken is told for thousands at once, whatever their spelling', async () => {
    const email = `${randomUUID()}@example.com`
    const { username } = await insert({ email })
    const asked = [...Array.from({ length: 12_000 }, uniqueName), username.toUpperCase(), ` ${email}`]
    assert.deepEqual(await accounts.taken(asked), new Set([loginKey(username), loginKey(email)]))
    assert.deepEqual(await accounts.taken([]), new Set())
  })

  test('two accounts that take the same address at the same time: one gets it', async () => {
    const email = `${randomUUID()}@example.com`
    const pair = [await insert(), await insert()]
    const answers = await Promise.allSettled(pair.map(({ id }) => accounts.update(id, { email }, changedBy(id))))
    assert.deepEqual(answers.map(({ status }) => status).sort(), ['fulfilled', 'rejected'])
    const owners = await Promise.all(pair.map(({ id }) => accounts.find(id)))
    assert.equal(owners.filter((owner) => owner?.email === email).length, 1)
  })

  test('another address clears emailVerified, raises factor and session epoch, and the old one signs nobody in', async () => {
    const [old, next] = [`${randomUUID()}@example.com`, `${randomUUID()}@example.com`]
    const { id } = await insert({ email: old })
    const verified = await accounts.update(id, { verifiedEmail: old }, changedBy(id))
    assert.deepEqual([verified?.emailVerified, verified?.factorEpoch, verified?.sessionEpoch], [true, 0, 0])
    clock.advance(1000)
    const moved = await accounts.update(id, { email: next }, changedBy(id))
    assert.deepEqual([moved?.email, moved?.emailVerified, moved?.factorEpoch, moved?.sessionEpoch], [next, false, 1, 1])
    assert.equal(moved?.updatedAt, clock.now())
    assert.deepEqual(await accounts.find(id), moved)
    assert.equal(await accounts.findByLogin(old), undefined)
    assert.equal((await accounts.findByLogin(next))?.id, id)
    const same = await accounts.update(id, { email: next, emailVerified: true }, changedBy(id))
    assert.deepEqual([same?.emailVerified, same?.factorEpoch, same?.sessionEpoch], [true, 1, 1])
    const gone = await accounts.update(id, { email: null, emailVerified: true }, changedBy(id))
    assert.deepEqual(
      [gone?.email, gone?.emailVerified, gone?.factorEpoch, gone?.sessionEpoch],
      [undefined, false, 2, 2],
    )
  })

  test('proof of the old address, given while it was changed, does not verify the new one', async () => {
    const [old, next] = [`${randomUUID()}@example.com`, `${randomUUID()}@example.com`]
    const { id } = await insert({ email: old })
    await accounts.update(id, { email: next }, changedBy(id))
    const late = await accounts.update(id, { verifiedEmail: old }, changedBy(id))
    assert.deepEqual([late?.email, late?.emailVerified], [next, false])
  })

  test('changes leave alone what they do not name, and parallel ones do not undo each other', async () => {
    const { id } = await insert({ email: `${randomUUID()}@example.com`, name: 'Anna', groups: ['a'] })
    await Promise.all([
      accounts.update(id, { name: null, locale: 'sv' }, changedBy(id)),
      accounts.update(id, { groups: ['b'] }, changedBy(id)),
      accounts.update(id, { admin: true }, changedBy(id)),
      accounts.update(id, { emailVerified: true }, changedBy(id)),
    ])
    const account = await accounts.find(id)
    assert.deepEqual(
      [account?.name, account?.locale, account?.groups, account?.admin, account?.emailVerified],
      [undefined, 'sv', ['b'], true, true],
    )
  })

  test('a change of the address and a raise of an epoch at the same time are both kept', async () => {
    const { id } = await insert()
    await Promise.all([
      ...Array.from({ length: PARALLEL }, (_, turn) =>
        accounts.update(id, { email: `${turn}-${id}@example.com` }, changedBy(id)),
      ),
      ...Array.from({ length: PARALLEL }, () => accounts.endEverything(id, changedBy(id))),
    ])
    const account = await accounts.find(id)
    assert.deepEqual([account?.factorEpoch, account?.sessionEpoch], [2 * PARALLEL, 2 * PARALLEL])
  })

  test('a change of an account that is gone is no success (FA-5)', async () => {
    const id = randomUUID()
    const before = await auditCount()
    assert.equal(await accounts.update(id, { name: 'Nobody' }, changedBy(id)), undefined)
    await assert.rejects(accounts.setPassword(id, hash, changedBy(id)), AccountGoneError)
    await assert.rejects(accounts.setDisabled(id, true, changedBy(id)), AccountGoneError)
    await assert.rejects(accounts.endEverything(id, changedBy(id)), AccountGoneError)
    await assert.rejects(accounts.remove(id, changedBy(id)), AccountGoneError)
    assert.equal(await auditCount(), before)
  })

  test('LG-4: a change whose audit row cannot be written does not happen', async () => {
    const account = await insert({ email: `${randomUUID()}@example.com`, passwordHash: hash })
    const circular: Record<string, string[]> = {}
    Object.assign(circular, { self: circular })
    const unwritable: AuditEvent = { ...changedBy(account.id), details: circular }
    const username = uniqueName()
    await assert.rejects(accounts.insert({ username }, unwritable))
    await assert.rejects(accounts.update(account.id, { email: null, name: 'New' }, unwritable))
    await assert.rejects(accounts.setPassword(account.id, hash, unwritable))
    await assert.rejects(accounts.setDisabled(account.id, true, unwritable))
    await assert.rejects(accounts.endEverything(account.id, unwritable))
    await assert.rejects(accounts.remove(account.id, unwritable))
    assert.equal(await accounts.findByLogin(username), undefined)
    assert.deepEqual(await accounts.find(account.id), account)
  })

  test('ten changes of one password at the same time: one of them; none where another was set meanwhile', async () => {
    const { id, username } = await insert({ passwordHash: hash })
    const next = await hasher.hash(`${PASSWORD}!`)
    const audit = { event: 'password.changed', outcome: 'ok', account: id } as const
    const given = { passwordHash: next, epoch: 0 }
    const answers = await Promise.all(
      Array.from({ length: PARALLEL }, () => accounts.replacePassword(id, given, audit)),
    )
    assert.equal(answers.filter(Boolean).length, 1)
    const account = await accounts.authenticate(username, `${PASSWORD}!`)
    assert.deepEqual([account?.passwordEpoch, account?.sessionEpoch], [1, 1])
    await accounts.setPassword(id, hash, changedBy(id))
    assert.equal(await accounts.replacePassword(id, { ...given, epoch: 1 }, audit), false)
    assert.equal((await accounts.authenticate(username, PASSWORD))?.passwordEpoch, 2)
    assert.deepEqual(await eventsOf(id), ['user.created', 'password.changed', 'user.changed'])
  })

  test('setPassword, setDisabled and endEverything raise their epochs and are audited', async () => {
    const { id, username } = await insert()
    const epochs = async (): Promise<number[]> => {
      const account = await accounts.find(id)
      return [account?.passwordEpoch ?? -1, account?.factorEpoch ?? -1, account?.sessionEpoch ?? -1]
    }
    await accounts.setPassword(id, hash, { event: 'password.changed', outcome: 'ok', account: id })
    assert.deepEqual(await epochs(), [1, 0, 1])
    assert.equal((await accounts.authenticate(username, PASSWORD))?.id, id)
    await accounts.setDisabled(id, true, { event: 'user.disabled', outcome: 'ok', account: id })
    assert.deepEqual(await epochs(), [1, 0, 2])
    await accounts.endEverything(id, { event: 'admin.command', outcome: 'ok', account: id })
    assert.deepEqual(await epochs(), [1, 1, 3])
    assert.deepEqual(await eventsOf(id), ['user.created', 'password.changed', 'user.disabled', 'admin.command'])
  })

  test('only the right password of an existing account authenticates, by name or address, disabled accounts too', async () => {
    const email = `${randomUUID()}@example.com`
    const { id, username } = await insert({ email, passwordHash: hash })
    assert.equal((await accounts.authenticate(username, PASSWORD))?.id, id)
    assert.equal((await accounts.authenticate(email.toUpperCase(), PASSWORD))?.id, id)
    assert.equal(await accounts.authenticate(username, `${PASSWORD}.`), undefined)
    assert.equal(await accounts.authenticate(username, ''), undefined)
    assert.equal(await accounts.authenticate(uniqueName(), PASSWORD), undefined)
    await accounts.setDisabled(id, true, changedBy(id))
    assert.equal((await accounts.authenticate(username, PASSWORD))?.disabled, true)
  })

  test('EN-2: every answer costs exactly one verification, of a dummy where there is no hash', async () => {
    const withHash = await insert({ passwordHash: hash })
    const without = await insert()
    const disabled = await insert({ passwordHash: hash })
    await accounts.setDisabled(disabled.id, true, changedBy(disabled.id))
    const costs = async (login: string, password: string): Promise<(string | undefined)[]> => {
      hasher.verified.length = 0
      await accounts.authenticate(login, password)
      return [...hasher.verified]
    }
    assert.deepEqual(await costs(withHash.username, PASSWORD), [hash])
    assert.deepEqual(await costs(withHash.username, 'wrong'), [hash])
    assert.deepEqual(await costs(disabled.username, PASSWORD), [hash])
    assert.deepEqual(await costs(without.username, PASSWORD), [undefined])
    assert.deepEqual(await costs(uniqueName(), PASSWORD), [undefined])
  })

  test('an outdated hash is renewed by the right password only, without ending anything, and audited', async () => {
    const { hash: makeHash } = await import('@node-rs/argon2')
    const outdated = await makeHash(PASSWORD, { memoryCost: 64, timeCost: 1, parallelism: 1 })
    const { id, username, sessionEpoch } = await insert({ passwordHash: outdated })
    const stored = async (): Promise<string | null | undefined> => {
      const row = await db.kysely.selectFrom('accounts').select('password_hash').where('id', '=', id).executeTakeFirst()
      return row?.password_hash
    }
    await accounts.authenticate(username, 'wrong')
    assert.equal(await stored(), outdated)
    hasher.broken = true
    assert.equal((await accounts.authenticate(username, PASSWORD))?.id, id, 'a full queue is no reason to refuse')
    hasher.broken = false
    assert.equal(await stored(), outdated)
    const answers = await Promise.all([1, 2, 3].map(() => accounts.authenticate(username, PASSWORD)))
    assert.ok(answers.every((account) => account?.id === id && account.sessionEpoch === sessionEpoch))
    assert.match((await stored()) ?? '', /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
    assert.deepEqual(await eventsOf(id), ['user.created', 'password.rehashed'], 'three at once renew it once')
    assert.equal((await accounts.authenticate(username, PASSWORD))?.id, id)
  })

  test('PW-7: hashes from elsewhere sign in, and are argon2id from then on', async () => {
    // Made by the C library's crypt and Python's hashlib.
    for (const passwordHash of [
      '$2b$05$abcdefghijklmnopqrstuuFiPhXf1sVd3pCCRO.uVh34H/qI/ZsuS',
      '$pbkdf2-sha256$1000$AAECAwQFBgcICQoLDA0ODw$ppsXnjrdPB4KryJ6DrOqKqhkWrhv7PbKAMF1Eml8cZ4',
      '$scrypt$ln=14,r=8,p=1$AAECAwQFBgcICQoLDA0ODw$11kKyiyYAc8G7rp3KmncMc44YlkdllIqxOa7pq0fMaU',
    ]) {
      const { id, username } = await insert({ passwordHash })
      assert.equal(await accounts.authenticate(username, 'wrong'), undefined)
      assert.equal((await accounts.authenticate(username, PASSWORD))?.id, id, passwordHash)
      const row = await db.kysely.selectFrom('accounts').select('password_hash').where('id', '=', id).executeTakeFirst()
      assert.match(row?.password_hash ?? '', /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
      assert.equal((await accounts.authenticate(username, PASSWORD))?.id, id)
      assert.deepEqual(await eventsOf(id), ['user.created', 'password.rehashed'])
    }
  })

  test('a stored hash of unknown form or excessive cost lets nobody in', async () => {
    for (const passwordHash of [
      '',
      'x',
      PASSWORD,
      `${OUTDATED}AAAA`,
      '$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$YWFh',
    ]) {
      const { username } = await insert({ passwordHash })
      assert.equal(await accounts.authenticate(username, PASSWORD), undefined)
      assert.equal(await accounts.authenticate(username, ''), undefined)
    }
  })

  test('list pages through all in the order of their keys; count and withoutEmail agree', async () => {
    const all = await accounts.list()
    const keys = all.map(({ username }) => loginKey(username))
    assert.deepEqual(keys, keys.toSorted(byBytes))
    assert.equal(await accounts.count(), all.length)
    const pages: Account[] = []
    for (;;) {
      const after = pages.at(-1)?.username
      const page = await accounts.list({ limit: 3, ...(after !== undefined && { after }) })
      if (page.length === 0) break
      pages.push(...page)
    }
    assert.deepEqual(pages, all)
    const expected = all.filter(({ email, disabled }) => email === undefined && !disabled)
    assert.deepEqual(await accounts.withoutEmail(), expected)
  })
})

function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}
