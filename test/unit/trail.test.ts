import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { AuditEvent, AuditRecord, AuditStore } from '../../src/audit/audit.ts'
import { createAuditTrail } from '../../src/audit/trail.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { createSortableIds } from '../../src/kernel/sortable-id.ts'
import { createTestClock, FIXED } from '../harness/clock.ts'

interface MemoryStore extends AuditStore {
  rows: AuditRecord[]
  batches: number[]
  down: boolean
  hanging: boolean
  refuses(record: AuditRecord): boolean
}

/** A store in memory that can be down, hang, or refuse single records. */
function createMemoryStore(): MemoryStore {
  const store: MemoryStore = {
    rows: [],
    batches: [],
    down: false,
    hanging: false,
    refuses: () => false,
    async append(records) {
      await pause(1)
      if (store.hanging) await new Promise(() => {})
      if (store.down) throw new UnavailableError('postgres')
      if (records.some(store.refuses)) throw new Error('value out of range')
      store.batches.push(records.length)
      store.rows.push(...records)
    },
    list: async () => store.rows,
  }
  return store
}

function createAlarms() {
  const alarms: string[] = []
  const log = {
    debug() {},
    info: (message: string) => void alarms.push(`info: ${message}`),
    warn: (message: string) => void alarms.push(`warn: ${message}`),
    error: (message: string) => void alarms.push(`error: ${message}`),
  }
  return { alarms, log }
}

function open(options: Parameters<typeof createAuditTrail>[0] = {}) {
  const [store, clock, { alarms, log }] = [createMemoryStore(), createTestClock(FIXED), createAlarms()]
  const trail = createAuditTrail({ delay: 5, retry: 5, retryMax: 20, ...options }, { store, clock, log })
  return { trail, store, clock, alarms }
}

const numbered = (number: number): AuditEvent => ({ event: 'login.ok', outcome: 'ok', details: { number } })
const numbersIn = (rows: AuditRecord[]): unknown[] => rows.map(({ details }) => details?.number)
const upTo = (end: number, start = 0): number[] => Array.from({ length: end - start }, (_, index) => start + index)

async function eventually(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000
  while (!condition()) {
    assert.ok(performance.now() < deadline, 'it did not happen')
    await pause(2)
  }
}

describe('audit trail', () => {
  test('events are written by themselves, in their order, with the time at which they happened', async () => {
    const { trail, store, clock } = open()
    const happened = clock.now()
    trail.record({ ...numbered(0), account: 'a', client: 'c', ip: '192.0.2.1', interaction: 'i' })
    clock.advance(1000)
    trail.record(numbered(1))
    assert.equal(store.rows.length, 0, 'nobody waits for the store')
    await eventually(() => store.rows.length === 2)
    const [first, second] = store.rows
    assert.deepEqual(
      { ...first, id: '' },
      { ...numbered(0), id: '', time: happened, account: 'a', client: 'c', ip: '192.0.2.1', interaction: 'i' },
    )
    assert.ok(first && second && first.id < second.id)
    assert.equal(second.time, happened + 1000)
  })

  test('many events go out in few batches, none larger than its bound', async () => {
    const { trail, store } = open({ batch: 40 })
    for (const number of upTo(100)) trail.record(numbered(number))
    await trail.flush()
    assert.deepEqual(store.batches, [40, 40, 20])
    assert.deepEqual(numbersIn(store.rows), upTo(100))
  })

  test('flush writes at once what is queued, also what came while a batch was under way', async () => {
    const { trail, store } = open({ delay: 60_000 })
    trail.record(numbered(0))
    const flushing = trail.flush()
    trail.record(numbered(1))
    await Promise.all([flushing, trail.flush()])
    assert.deepEqual(numbersIn(store.rows), [0, 1])
    await trail.flush()
    assert.equal(trail.dropped, 0)
  })

  test('while the store is down nothing throws and nothing is lost; one alarm, and one line when it is back', async () => {
    const { trail, store, alarms } = open()
    store.down = true
    for (const number of upTo(10)) {
      trail.record(numbered(number))
      await pause(5)
    }
    await trail.flush()
    assert.deepEqual(alarms, ['error: audit events cannot be written'])
    store.down = false
    await eventually(() => store.rows.length === 10)
    assert.deepEqual(numbersIn(store.rows), upTo(10))
    assert.deepEqual(alarms, ['error: audit events cannot be written', 'info: audit events are written again'])
    assert.equal(trail.dropped, 0)
    store.down = true
    trail.record(numbered(10))
    await trail.flush()
    assert.equal(alarms.length, 3, 'the next outage has its own alarm')
  })

  test('beyond its bound the oldest events are dropped and counted, with one alarm (LG-4)', async () => {
    const { trail, store, alarms } = open({ capacity: 10 })
    store.down = true
    for (const number of upTo(5)) trail.record(numbered(number))
    await trail.flush()
    for (const number of upTo(25, 5)) trail.record(numbered(number))
    await trail.flush()
    assert.equal(trail.dropped, 15)
    assert.deepEqual(alarms, ['error: audit events cannot be written', 'error: audit events are lost'])
    store.down = false
    await eventually(() => store.rows.length === 10)
    assert.deepEqual(numbersIn(store.rows), upTo(25, 15))
    assert.equal(trail.dropped, 15)
  })

  test('a store that hangs holds up no event and no flush for ever', async () => {
    const { trail, store } = open({ capacity: 10, flushTimeout: 30 })
    store.hanging = true
    for (const number of upTo(1000)) trail.record(numbered(number))
    const start = performance.now()
    await trail.flush()
    assert.ok(performance.now() - start < 1000)
    assert.equal(trail.dropped, 990)
    await trail.close()
    assert.ok(performance.now() - start < 1000)
  })

  test('a record that the store refuses is dropped and named, and stands in nobody’s way', async () => {
    const { trail, store, alarms } = open()
    store.refuses = ({ details }) => details?.number === 1
    for (const number of upTo(3)) trail.record(numbered(number))
    await trail.flush()
    assert.deepEqual(numbersIn(store.rows), [0, 2])
    assert.equal(trail.dropped, 1)
    assert.ok(alarms.includes('error: an audit event was refused'))
  })

  test('a store that refuses everything is an outage: all is kept', async () => {
    const { trail, store } = open()
    store.refuses = () => true
    for (const number of upTo(3)) trail.record(numbered(number))
    await trail.flush()
    assert.equal(trail.dropped, 0)
    store.refuses = () => false
    await eventually(() => store.rows.length === 3)
    assert.deepEqual(numbersIn(store.rows), upTo(3))
  })

  test('close writes what is left; what comes later is counted as lost', async () => {
    const { trail, store } = open({ delay: 60_000 })
    trail.record(numbered(0))
    await trail.close()
    await trail.close()
    assert.deepEqual(numbersIn(store.rows), [0])
    trail.record(numbered(1))
    await trail.flush()
    assert.deepEqual(numbersIn(store.rows), [0])
    assert.equal(trail.dropped, 1)
  })

  test('an event that is changed after it was recorded is written as it was', async () => {
    const { trail, store } = open()
    const event = { ...numbered(0), account: 'before' }
    trail.record(event)
    event.account = 'after'
    await trail.flush()
    assert.equal(store.rows[0]?.account, 'before')
  })
})

describe('sortable ids', () => {
  test('they sort as they were made: within a millisecond, over many of them, and when the clock goes back (FA-8)', () => {
    const clock = createTestClock(FIXED)
    const next = createSortableIds(clock)
    const ids: string[] = []
    for (const step of [0, 1, 0, -60_000, 0, 5, 59_000, 10_000]) {
      clock.advance(step)
      for (let count = 0; count < 20_000; count++) ids.push(next())
    }
    assert.deepEqual(ids, ids.toSorted())
    assert.equal(new Set(ids).size, ids.length)
    assert.ok(ids.every((id) => /^[0-9a-f]{32}$/.test(id)))
  })

  test('two processes with one clock make different ids', () => {
    const clock = createTestClock(FIXED)
    const [one, two] = [createSortableIds(clock), createSortableIds(clock)]
    assert.notEqual(one(), two())
  })
})
