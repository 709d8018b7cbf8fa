import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { hash as argon2 } from '@node-rs/argon2'
import { createGate } from '../../src/accounts/gate.ts'
import { normalizePassword } from '../../src/accounts/password-rules.ts'
import { createHasher } from '../../src/accounts/passwords.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'

const PASSWORD = 'correct horse battery staple'
const hasher = createHasher({ concurrency: 2, queue: 100, wait: 60_000 })

describe('hasher', () => {
  test('new hashes are argon2id PHC strings at the floor, with a salt of 16 and a tag of 32 bytes (PW-6)', async () => {
    const [one, two] = await Promise.all([hasher.hash(PASSWORD), hasher.hash(PASSWORD)])
    assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
    assert.notEqual(one, two)
    assert.equal(hasher.outdated(one), false)
  })

  test('the right password fits, a wrong, a longer, a shorter and an empty one do not', async () => {
    const hash = await hasher.hash(PASSWORD)
    assert.equal(await hasher.verify(hash, PASSWORD), true)
    for (const wrong of [
      '',
      PASSWORD.slice(0, -1),
      `${PASSWORD}.`,
      PASSWORD.toUpperCase(),
      ` ${PASSWORD}`,
      `${PASSWORD}\0`,
    ])
      assert.equal(await hasher.verify(hash, wrong), false)
  })

  test('PW-4: the same text composed and decomposed is one password, at setting and at verifying', async () => {
    const [composed, decomposed] = ['p\u{E5}ssw\u{F6}rd', 'pa\u{30A}sswo\u{308}rd']
    assert.notEqual(composed, decomposed)
    assert.equal(normalizePassword(composed), normalizePassword(decomposed))
    assert.equal(await hasher.verify(await hasher.hash(composed), decomposed), true)
    assert.equal(await hasher.verify(await hasher.hash(decomposed), composed), true)
    assert.equal(await hasher.verify(await hasher.hash('\u{FB01}'), 'fi'), false, 'NFC keeps ligatures, NFKC would not')
  })

  test('PW-2: 256 code points are taken and nothing of them is cut, what is longer is refused before hashing', async () => {
    const longest = '\u{1F469}'.repeat(256)
    const hash = await hasher.hash(longest)
    assert.equal(await hasher.verify(hash, longest), true)
    assert.equal(await hasher.verify(hash, `${'\u{1F469}'.repeat(255)}x`), false)
    const closed = createHasher({ concurrency: 0, queue: 0, wait: 0 })
    for (const long of [`${longest}x`, 'x'.repeat(257), 'x'.repeat(1_000_000)]) {
      await assert.rejects(closed.hash(long), RangeError)
      assert.equal(await closed.verify(hash, long), false)
    }
  })

  test('PW-7: a hash that costs too much, or is none, is refused at the cost of a dummy', async () => {
    const salt = 'c29tZXNhbHRzb21lc2FsdA'
    const tag = 'A'.repeat(43)
    const stored = [
      `$argon2id$v=19$m=262145,t=1,p=1$${salt}$${tag}`,
      `$argon2id$v=19$m=4294967295,t=4294967295,p=255$${salt}$${tag}`,
      `$argon2id$v=19$m=19456,t=11,p=1$${salt}$${tag}`,
      `$argon2id$v=19$m=19456,t=2,p=17$${salt}$${tag}`,
      `$argon2id$v=19$m=7,t=1,p=1$${salt}$${tag}`,
      `$argon2id$v=19$m=8,t=0,p=1$${salt}$${tag}`,
      '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy',
      '',
      PASSWORD,
      `$argon2id$v=19$m=19456,t=2,p=1$${salt}$${'A'.repeat(1000)}`,
      undefined,
    ]
    for (const each of stored) {
      const start = performance.now()
      assert.equal(await hasher.verify(each, PASSWORD), false, each)
      const took = performance.now() - start
      assert.ok(took > 5, `${each} was answered after ${took} ms, before any hash was computed`)
    }
  })

  test('a tag so short that chance could meet it lets nobody in', async () => {
    const short = await argon2(PASSWORD, { memoryCost: 64, timeCost: 1, outputLen: 4 })
    assert.equal(await hasher.verify(short, PASSWORD), false)
  })

  test('weaker and older hashes fit and are outdated; stronger ones stay', async () => {
    const floor = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
    const [argon2d, argon2i] = [0, 1]
    for (const weaker of [
      { ...floor, timeCost: 1 },
      { ...floor, memoryCost: 19_455 },
      { ...floor, algorithm: argon2d },
      { ...floor, algorithm: argon2i },
      { ...floor, version: 0 },
      { ...floor, outputLen: 31 },
      { ...floor, salt: Buffer.alloc(15) },
    ]) {
      const hash = await argon2(PASSWORD, weaker)
      assert.equal(await hasher.verify(hash, PASSWORD), true, hash)
      assert.equal(await hasher.verify(hash, 'wrong'), false)
      assert.equal(hasher.outdated(hash), true, hash)
    }
    for (const good of [floor, { memoryCost: 47_104, timeCost: 1 }, { memoryCost: 12_288, timeCost: 3 }])
      assert.equal(hasher.outdated(await argon2(PASSWORD, good)), false)
    assert.equal(hasher.outdated('x'), true)
  })

  test('DO-1: what finds the queue full, or waits too long, is Unavailable; the others are served', async () => {
    const full = createHasher({ concurrency: 1, queue: 1, wait: 60_000 })
    const answers = await Promise.allSettled(Array.from({ length: 5 }, () => full.verify(undefined, PASSWORD)))
    assert.deepEqual(answers.map(({ status }) => status).sort(), [
      ...Array(2).fill('fulfilled'),
      ...Array(3).fill('rejected'),
    ])
    for (const answer of answers) {
      if (answer.status === 'fulfilled') continue
      assert.ok(answer.reason instanceof UnavailableError)
      assert.equal(answer.reason.part, 'hasher')
    }
    assert.equal(await full.verify(await full.hash(PASSWORD), PASSWORD), true)
  })
})

describe('gate', () => {
  const work = () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const task = {
      started: false,
      resolve,
      reject,
      run: () => {
        task.started = true
        return promise
      },
    }
    return task
  }

  test('no more than `concurrency` are inside, and the others enter in the order they came', async () => {
    const pass = createGate({ part: 'x', concurrency: 2, queue: 10, wait: 60_000 })
    const tasks = Array.from({ length: 5 }, work)
    const done = tasks.map((task) => pass(task.run))
    const started = async (): Promise<boolean[]> => {
      await pause(1)
      return tasks.map((task) => task.started)
    }
    assert.deepEqual(await started(), [true, true, false, false, false])
    tasks[1]?.resolve()
    assert.deepEqual(await started(), [true, true, true, false, false])
    tasks[0]?.reject(new Error('failed'))
    await assert.rejects(async () => done[0])
    assert.deepEqual(await started(), [true, true, true, true, false])
    for (const task of tasks) task.resolve()
    await Promise.allSettled(done)
    assert.deepEqual(await started(), [true, true, true, true, true])
  })

  test('one that waited too long never starts, and takes nobody else its place', async () => {
    const pass = createGate({ part: 'x', concurrency: 1, queue: 2, wait: 20 })
    const [inside, late, next] = [work(), work(), work()]
    const first = pass(inside.run)
    await assert.rejects(pass(late.run), UnavailableError)
    inside.resolve()
    await first
    const third = pass(next.run)
    next.resolve()
    await third
    assert.deepEqual([late.started, next.started], [false, true])
  })
})
