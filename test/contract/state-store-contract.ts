import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { MINUTE } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { keyOf, type Reservation, type StateKey, type StateStore } from '../../src/state/store.ts'
import { leavesOut, type StoresKind } from '../harness/stores.ts'

export interface Subject {
  store: StateStore
  /** Lets this many milliseconds pass for the store. */
  advance(ms: number): Promise<void>
  end(): Promise<void>
}

const PARALLEL = 20
/** A time to live, and a step of which one fits into it and two do not. */
const SHORT = 1000
const STEP = 600

const LONG_TEXT = 'x'.repeat(200_000)
const HARD_TEXTS = ['', '\0', 'a\0b', '\r\n$5\r\n', "'; drop table entries --", '\u{1F469}\u200D\u{1F692}', LONG_TEXT]
// Made before a test runs: making them keeps the event loop busy for longer than a command may take.
const RANDOM_TEXTS = fc.sample(fc.string({ unit: 'binary' }), 40)

const fresh = (): StateKey => keyOf('test', randomUUID())
const inParallel = <R>(work: (caller: number) => Promise<R>): Promise<R[]> =>
  Promise.all(Array.from({ length: PARALLEL }, (_, caller) => work(caller)))

const isGranted = (answer: Reservation): answer is Extract<Reservation, { granted: true }> => answer.granted

/** The promises of `StateStore`, for any adapter. */
export function stateStoreContract(name: string, kind: StoresKind, open: () => Promise<Subject>): void {
  const skip = leavesOut(kind, kind === 'servers' ? ['redis-server'] : [])
  // Tests run side by side, because with a real server the passing of time has to be waited for.
  describe(`state store: ${name}`, { concurrency: true, skip }, () => {
    let subject: Subject
    let store: StateStore
    before(async () => {
      subject = await open()
      store = subject.store
    })
    after(() => subject.end())

    test('what was set is read, overwritten and deleted', async () => {
      const key = fresh()
      assert.equal(await store.get(key), undefined)
      await store.set(key, 'one', MINUTE)
      assert.equal(await store.get(key), 'one')
      await store.set(key, '', MINUTE)
      assert.equal(await store.get(key), '')
      await store.delete(key)
      assert.equal(await store.get(key), undefined)
    })

    test('any text comes back as it was written, also to compareAndSet, take and an index', async () => {
      for (const text of [...HARD_TEXTS, ...RANDOM_TEXTS]) {
        const [key, index] = [fresh(), fresh()]
        await store.set(key, text, MINUTE)
        assert.equal(await store.get(key), text)
        assert.equal(await store.compareAndSet(key, text, `${text}.`, MINUTE), true)
        assert.equal(await store.take(key), `${text}.`)
        await store.indexAdd(index, text, MINUTE)
        assert.deepEqual(await store.indexList(index), [text])
      }
    })

    test('add: one of twenty callers at the same time sets it, and its value stands', async () => {
      const key = fresh()
      const answers = await inParallel((caller) => store.add(key, `${caller}`, MINUTE))
      assert.equal(answers.filter(Boolean).length, 1)
      assert.equal(await store.get(key), `${answers.indexOf(true)}`)
    })

    test('take: one of twenty callers at the same time gets the value', async () => {
      const key = fresh()
      await store.set(key, 'code', MINUTE)
      const answers = await inParallel(() => store.take(key))
      assert.deepEqual(
        answers.filter((answer) => answer !== undefined),
        ['code'],
      )
      assert.equal(await store.get(key), undefined)
    })

    test('RL-6: increment: twenty callers at the same time get twenty numbers', async () => {
      const key = fresh()
      const answers = await inParallel(() => store.increment(key, MINUTE))
      const expected = Array.from({ length: PARALLEL }, (_, index) => index + 1)
      assert.deepEqual(
        answers.sort((a, b) => a - b),
        expected,
      )
    })

    test('compareAndSet: one of twenty callers at the same time wins, and its value stands', async () => {
      const key = fresh()
      await store.set(key, 'before', MINUTE)
      const answers = await inParallel((caller) => store.compareAndSet(key, 'before', `${caller}`, MINUTE))
      assert.equal(answers.filter(Boolean).length, 1)
      assert.equal(await store.get(key), `${answers.indexOf(true)}`)
    })

    test('compareAndSet writes nothing where nothing is', async () => {
      const key = fresh()
      assert.equal(await store.compareAndSet(key, '', 'value', MINUTE), false)
      assert.equal(await store.get(key), undefined)
    })

    test('a value is there until its time is over, and then for no operation', async () => {
      const [read, taken, replaced, added] = [fresh(), fresh(), fresh(), fresh()]
      for (const key of [read, taken, replaced, added]) await store.set(key, 'value', SHORT)
      await subject.advance(STEP)
      assert.equal(await store.get(read), 'value')
      assert.equal(await store.add(added, 'other', MINUTE), false)
      await subject.advance(STEP)
      assert.equal(await store.get(read), undefined)
      assert.equal(await store.take(taken), undefined)
      assert.equal(await store.compareAndSet(replaced, 'value', 'other', MINUTE), false)
      assert.equal(await store.add(added, 'other', MINUTE), true)
    })

    test('writing again starts the time to live anew', async () => {
      const [set, replaced] = [fresh(), fresh()]
      for (const key of [set, replaced]) await store.set(key, 'value', SHORT)
      await subject.advance(STEP)
      await store.set(set, 'value', SHORT)
      assert.equal(await store.compareAndSet(replaced, 'value', 'other', SHORT), true)
      await subject.advance(STEP)
      assert.equal(await store.get(set), 'value')
      assert.equal(await store.get(replaced), 'other')
    })

    test('RL-4: reserve: twenty callers at the same time get as many places as there are, and the rest a wait', async () => {
      const key = fresh()
      const answers = await inParallel(() => store.reserve(key, 5, MINUTE))
      const granted = answers.filter((answer) => answer.granted)
      assert.deepEqual(granted.map(({ left }) => left).sort(), [0, 1, 2, 3, 4])
      for (const answer of answers) assert.ok(answer.granted || (answer.wait > 0 && answer.wait <= MINUTE))
      assert.equal(await store.waitFor(fresh(), 1), undefined)
      assert.ok(Number(await store.waitFor(key, 5)) > 0)
    })

    test('RL-4: reserve: a place given back is taken once more, however many ask', async () => {
      const key = fresh()
      const [first] = await inParallel(() => store.reserve(key, 1, MINUTE)).then((all) => all.filter(isGranted))
      assert.ok(first)
      await store.release(key, first)
      assert.equal(await store.waitFor(key, 1), undefined)
      const again = await inParallel(() => store.reserve(key, 1, MINUTE))
      assert.equal(again.filter(isGranted).length, 1)
      await inParallel(() => store.release(key, first))
      const after = await inParallel(() => store.reserve(key, 1, MINUTE))
      assert.equal(after.filter(isGranted).length, 1, 'giving back more than was taken frees nothing more')
    })

    test('RL-6: reserve: the window is not prolonged, and a place given back late does not widen the next one', async () => {
      const key = fresh()
      const early = await store.reserve(key, 1, SHORT)
      assert.ok(early.granted)
      await subject.advance(STEP)
      assert.equal((await store.reserve(key, 1, MINUTE)).granted, false)
      await subject.advance(STEP)
      assert.ok((await store.reserve(key, 1, MINUTE)).granted)
      await store.release(key, early)
      assert.equal((await store.reserve(key, 1, MINUTE)).granted, false)
    })

    test('RL-6: increment: later calls do not prolong the window, and the next window starts at one', async () => {
      const key = fresh()
      assert.equal(await store.increment(key, SHORT), 1)
      await subject.advance(STEP)
      assert.equal(await store.increment(key, MINUTE), 2)
      await subject.advance(STEP)
      assert.equal(await store.increment(key, SHORT), 1)
      assert.equal(await store.increment(key, SHORT), 2)
    })

    test('index: members are listed once and removed by name', async () => {
      const index = fresh()
      assert.deepEqual(await store.indexList(index), [])
      await inParallel((caller) => store.indexAdd(index, `member ${caller % 3}`, MINUTE))
      assert.deepEqual((await store.indexList(index)).sort(), ['member 0', 'member 1', 'member 2'])
      await store.indexRemove(index, 'member 0', 'member 2', 'nobody')
      await store.indexRemove(index)
      assert.deepEqual(await store.indexList(index), ['member 1'])
    })

    test('index: a member is listed until its time is over, whatever the others have', async () => {
      const index = fresh()
      await store.indexAdd(index, 'long', MINUTE)
      await store.indexAdd(index, 'short', SHORT)
      await subject.advance(STEP)
      assert.deepEqual((await store.indexList(index)).sort(), ['long', 'short'])
      await subject.advance(STEP)
      assert.deepEqual(await store.indexList(index), ['long'])
      await store.indexAdd(index, 'next', MINUTE)
      assert.deepEqual((await store.indexList(index)).sort(), ['long', 'next'])
    })

    test('index: a member written again lives the longer of the two times, in either order', async () => {
      const [growing, shrinking] = [fresh(), fresh()]
      await store.indexAdd(growing, 'member', SHORT)
      await store.indexAdd(growing, 'member', MINUTE)
      await store.indexAdd(shrinking, 'member', MINUTE)
      await store.indexAdd(shrinking, 'member', SHORT)
      await subject.advance(2 * STEP)
      assert.deepEqual(await store.indexList(growing), ['member'])
      assert.deepEqual(await store.indexList(shrinking), ['member'])
    })

    test('delete removes many keys of all kinds, and does not mind what is not there', async () => {
      const [value, counter, index, nothing] = [fresh(), fresh(), fresh(), fresh()]
      await store.set(value, 'value', MINUTE)
      await store.increment(counter, MINUTE)
      await store.indexAdd(index, 'member', MINUTE)
      await store.delete(value, counter, index, nothing)
      await store.delete()
      assert.equal(await store.get(value), undefined)
      assert.equal(await store.increment(counter, MINUTE), 1)
      assert.deepEqual(await store.indexList(index), [])
    })

    test('a time to live is rounded up, and must be a number', async () => {
      const key = fresh()
      await store.set(key, 'value', MINUTE + 0.2)
      assert.equal(await store.get(key), 'value')
      for (const ttl of [Number.NaN, Number.POSITIVE_INFINITY]) {
        await assert.rejects(store.set(key, 'other', ttl), RangeError)
        await assert.rejects(store.increment(key, ttl), RangeError)
      }
      await store.set(key, 'gone at once', 0)
      await subject.advance(20)
      assert.equal(await store.get(key), undefined)
    })

    test('it answers a ping', () => store.ping())
  })

  test(`FA-1: ${name}: a closed store is unavailable, not empty`, { skip }, async () => {
    const { store, end } = await open()
    await store.close()
    await store.close()
    await assert.rejects(store.get(fresh()), UnavailableError)
    await assert.rejects(store.ping(), UnavailableError)
    await end()
  })
}
