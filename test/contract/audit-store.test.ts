import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import type { AuditRecord, AuditStore } from '../../src/audit/audit.ts'
import { createSortableIds } from '../../src/kernel/sortable-id.ts'
import { createSqlAudit } from '../../src/sql/audit.ts'
import type { Database } from '../../src/sql/database.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { slow } from '../harness/slow.ts'

onEachDatabase('audit store', (databases) => {
  const { clock } = databases
  const nextId = createSortableIds(clock)
  let db: Database
  let audit: AuditStore
  before(async () => {
    db = await databases.open()
    audit = slow(createSqlAudit(db))
  })
  const make = (given: Partial<AuditRecord> = {}): AuditRecord => {
    clock.advance(1)
    return { id: nextId(), time: clock.now(), event: 'login.ok', outcome: 'ok', ...given }
  }

  test('records come back as they were written, oldest first, in whatever order they were', async () => {
    const account = randomUUID()
    const parties = { account, client: 'app', ip: '2001:db8::1', interaction: 'abc' }
    const bare = make({ account })
    const full = make({ ...parties, event: 'otp.fail', outcome: 'fail', details: { a: 'x', n: 1, b: false, l: ['y'] } })
    await audit.append([full, bare])
    assert.deepEqual(await audit.list({ account }), [bare, full])
  })

  test('the newest few of some events, for their owner', async () => {
    const account = randomUUID()
    const names = ['login.ok', 'otp.ok', 'login.fail', 'otp.ok', 'login.ok'] as const
    const records = names.map((event) => make({ account, event }))
    await audit.append(records)
    const events = ['login.ok', 'login.fail'] as const
    const newest = await audit.list({ account, events, order: 'newest', limit: 2 })
    assert.deepEqual(newest, [records[4], records[2]])
  })

  test('control characters, quotes and ANSI sequences are kept as text and break no row (LG-3)', async () => {
    const account = randomUUID()
    const hostile = 'a\n"b"\r\u{1B}[31m\0\u{2028}\'; drop table audit; --'
    await audit.append([make({ account, client: hostile, details: { hostile } })])
    const [record] = await audit.list({ account })
    assert.deepEqual(record?.details, { hostile })
    assert.equal(record?.client, hostile.replace('\0', '\u{FFFD}'))
    const row = await db.kysely.selectFrom('audit').select('details').where('account', '=', account).executeTakeFirst()
    const codes = [...(row?.details ?? '')].map((character) => character.charCodeAt(0))
    assert.ok(
      codes.every((code) => code >= 0x20),
      'details hold no raw control character',
    )
  })

  test('a batch written twice, because the first answer was lost, is there once', async () => {
    const account = randomUUID()
    const records = Array.from({ length: 5 }, () => make({ account }))
    await audit.append(records)
    await audit.append([...records, make({ account })])
    assert.equal((await audit.list({ account })).length, 6)
  })

  test('any number of records at once, none included', async () => {
    const account = randomUUID()
    await audit.append([])
    const records = Array.from({ length: 1234 }, (_, number) => make({ account, details: { number } }))
    await audit.append(records)
    assert.deepEqual(await audit.list({ account }), records)
  })

  test('list narrows by account, time and place, and pages by limit', async () => {
    const [account, other] = [randomUUID(), randomUUID()]
    const records = Array.from({ length: 6 }, (_, number) => make({ account: number % 2 === 0 ? account : other }))
    const [first, second, third, , fifth] = records
    assert.ok(first && second && third && fifth)
    await audit.append(records)
    assert.deepEqual(await audit.list({ account }), [first, third, fifth])
    assert.deepEqual(await audit.list({ account, since: third.time }), [third, fifth])
    assert.deepEqual(await audit.list({ account, after: first.id, limit: 1 }), [third])
    assert.deepEqual(await audit.list({ account, since: first.time, after: third.id }), [fifth])
    assert.deepEqual(await audit.list({ since: first.time, limit: 2 }), [first, second])
    assert.deepEqual(await audit.list({ since: clock.now() + 1 }), [])
  })
})
