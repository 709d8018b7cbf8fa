import assert from 'node:assert/strict'
import { before, beforeEach, test } from 'node:test'
import { HOUR, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import type { Mail } from '../../src/kernel/mail.ts'
import type { Outbox } from '../../src/mail/outbox.ts'
import { createSqlOutbox } from '../../src/sql/outbox.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { slow } from '../harness/slow.ts'

const letter = (subject: string): Mail => ({
  to: 'anna@example.test',
  template: 'notice',
  locale: 'sv',
  data: { kind: 'factor-added', subject, time: 7, ip: undefined },
  account: 'account-1',
})
const subjects = (claimed: readonly { mail: Mail }[]): unknown[] => claimed.map(({ mail }) => mail.data.subject)

onEachDatabase('outbox', (databases) => {
  const { clock } = databases
  let outbox: Outbox
  /** Another process on the same rows. */
  let other: Outbox
  before(async () => {
    const place = await databases.place()
    const open = async (): Promise<Outbox> => slow(createSqlOutbox(await databases.open(place), { clock }))
    outbox = await open()
    other = await open()
  })
  beforeEach(async () => {
    clock.advance(24 * HOUR)
    await outbox.hasten()
    for (;;) {
      const left = await outbox.claim(100, MINUTE)
      if (left.length === 0) return
      for (const { id } of left) await outbox.remove(id)
    }
  })

  test('a letter comes back as it was written, with an id that stays', async () => {
    await outbox.add([letter('å "quote" \u{1F469}')])
    const [first] = await outbox.claim(10, MINUTE)
    assert.ok(first)
    const { ip: _, ...data } = letter('å "quote" \u{1F469}').data
    assert.deepEqual(first.mail, { ...letter(''), data, id: first.id })
    assert.deepEqual([first.tries, first.createdAt], [0, clock.now()])
    await outbox.postpone(first.id, clock.now())
    const [again] = await other.claim(10, MINUTE)
    assert.deepEqual([again?.id, again?.mail.id, again?.tries], [first.id, first.id, 1])
  })

  test('oldest first, so many as are wanted, and none is nothing', async () => {
    await outbox.add([])
    assert.deepEqual(await outbox.claim(10, MINUTE), [])
    await outbox.add([letter('1'), letter('2'), letter('3')])
    assert.deepEqual(subjects(await outbox.claim(2, MINUTE)), ['1', '2'])
    assert.deepEqual(subjects(await outbox.claim(2, MINUTE)), ['3'])
  })

  test('two processes with four claimers each, at the same time: each letter goes to one', async () => {
    const names = Array.from({ length: 40 }, (_, turn) => `${turn}`)
    await outbox.add(names.map(letter))
    const got: unknown[] = []
    const claimAll = async (by: Outbox): Promise<void> => {
      while (got.length < names.length) got.push(...subjects(await by.claim(3, MINUTE)))
    }
    await Promise.all([outbox, other].flatMap((by) => Array.from({ length: 4 }, () => claimAll(by))))
    assert.deepEqual(got.toSorted(), names.toSorted())
    assert.equal((await outbox.waiting()).count, names.length, 'they wait until they are out')
  })

  test('who died with a letter loses it when the lease is over', async () => {
    await outbox.add([letter('1')])
    assert.equal((await outbox.claim(1, MINUTE)).length, 1)
    clock.advance(MINUTE - 1)
    assert.deepEqual(await other.claim(1, MINUTE), [])
    clock.advance(1)
    assert.deepEqual(subjects(await other.claim(1, MINUTE)), ['1'])
  })

  test('a postponed letter waits for its time, or until the others are hastened; claims hold', async () => {
    await outbox.add([letter('late'), letter('held')])
    const [late, held] = await outbox.claim(2, HOUR)
    assert.ok(late && held)
    await outbox.postpone(late.id, clock.now() + 30 * SECOND)
    assert.deepEqual(await other.claim(2, MINUTE), [])
    await other.hasten()
    assert.deepEqual(subjects(await other.claim(2, MINUTE)), ['late'])
    await outbox.postpone(late.id, clock.now() + 30 * SECOND)
    clock.advance(30 * SECOND)
    assert.deepEqual(subjects(await other.claim(2, MINUTE)), ['late'])
  })

  test('says how many wait since when, and what is out waits no more', async () => {
    assert.deepEqual(await outbox.waiting(), { count: 0, oldest: undefined })
    const oldest = clock.now()
    await outbox.add([letter('1')])
    clock.advance(MINUTE)
    await outbox.add([letter('2')])
    assert.deepEqual(await outbox.waiting(), { count: 2, oldest })
    for (const { id } of await outbox.claim(2, MINUTE)) await outbox.remove(id)
    assert.deepEqual(await outbox.waiting(), { count: 0, oldest: undefined })
  })
})
