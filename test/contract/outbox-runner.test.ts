import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { AuditEvent, AuditTrail } from '../../src/audit/audit.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import { type Log, silentLog } from '../../src/kernel/log.ts'
import type { Mail } from '../../src/kernel/mail.ts'
import { MailError, type Mailer, MailRefusedError } from '../../src/mail/mailer.ts'
import type { Outbox } from '../../src/mail/outbox.ts'
import { createOutboxRunner, type OutboxRunner, type OutboxRunnerOptions } from '../../src/mail/outbox-runner.ts'
import { type Database, openDatabase } from '../../src/sql/database.ts'
import { createSqlOutbox } from '../../src/sql/outbox.ts'
import { createTestClock, FIXED } from '../harness/clock.ts'
import { slow } from '../harness/slow.ts'

const clock = createTestClock(FIXED)
const letter = (name: string): Mail => ({
  to: `${name}@example.test`,
  template: 'notice',
  locale: 'en',
  data: { kind: 'factor-added', subject: 'Work phone' },
  account: 'account-1',
})
const nameOf = ({ to }: Mail): string => to.replace(/@.*/, '')

describe('the runner of the outbox (FA-11)', () => {
  let db: Database
  let outbox: Outbox
  /** Every try, sent or not. */
  let tried: { name: string; id: string | undefined; at: number }[]
  let sent: string[]
  let events: AuditEvent[]
  let lines: string[]
  /** What the mail server thinks of a letter; it may take its time. */
  let answer: (mail: Mail) => Error | undefined | Promise<undefined>
  let mailer: Mailer | undefined
  let runners: OutboxRunner[]

  before(async () => {
    db = await openDatabase({ file: ':memory:' }, { clock, log: silentLog })
  })
  after(() => db.close())
  beforeEach(async () => {
    await db.kysely.deleteFrom('outbox').execute()
    outbox = createSqlOutbox(db, { clock })
    tried = []
    sent = []
    events = []
    lines = []
    runners = []
    answer = () => undefined
    mailer = {
      async send(mail) {
        tried.push({ name: nameOf(mail), id: mail.id, at: clock.now() })
        const problem = await answer(mail)
        if (problem !== undefined) throw problem
        sent.push(nameOf(mail))
      },
      check: async () => undefined,
      close: () => undefined,
    }
  })
  afterEach(() => Promise.all(runners.map((runner) => runner.stop())))

  function run(options: OutboxRunnerOptions = {}, by = outbox): OutboxRunner {
    const write = (...given: unknown[]): void => void lines.push(inspect(given, { depth: 9 }))
    const log: Log = { debug: write, info: write, warn: write, error: write }
    const trail: AuditTrail = { record: (event) => void events.push(event), flush: async () => undefined, dropped: 0 }
    const runner = createOutboxRunner({ poll: 2, ...options }, { outbox: by, mailer: () => mailer, clock, log, trail })
    runners.push(runner)
    runner.start()
    return runner
  }

  async function until(done: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 3000
    while (!(await done())) {
      if (performance.now() > deadline) throw new Error(`still not so after 3 s: ${inspect({ tried, sent, lines })}`)
      await pause(2)
    }
  }
  /** Several looks. */
  const looks = (): Promise<void> => pause(25)
  const empty = async (): Promise<boolean> => (await outbox.waiting()).count === 0

  test('what waits goes out, oldest first, and is told to the audit without address or content (LG-2)', async () => {
    await outbox.add([letter('anna')])
    run({ batch: 1 })
    await until(empty)
    await outbox.add([letter('bo'), letter('cleo')])
    await until(empty)
    await looks()
    assert.deepEqual(sent, ['anna', 'bo', 'cleo'])
    const told = { event: 'mail.sent', outcome: 'ok', account: 'account-1' }
    assert.deepEqual(events[0], { ...told, details: { template: 'notice', kind: 'factor-added', tries: 1 } })
    assert.equal(events.length, 3)
    assert.deepEqual(lines, [])
  })

  test('a configuration that is read while mails are claimed: they go through its mailer, not the one of before', async () => {
    const before = mailer
    const claimed = Promise.withResolvers<void>()
    const by: Outbox = {
      ...outbox,
      async claim(...given) {
        const mails = await outbox.claim(...given)
        await claimed.promise
        return mails
      },
    }
    await outbox.add([letter('anna')])
    mailer = { ...(before as Mailer), send: async () => Promise.reject(new MailError('closed')) }
    run({}, by)
    await looks()
    mailer = before
    claimed.resolve()
    await until(empty)
    assert.deepEqual([sent, lines], [['anna'], []])
  })

  test('a failed letter is tried again after 30 s, then after twice as long each time, up to an hour', async () => {
    answer = () => new MailError('down')
    await outbox.add([letter('anna')])
    run()
    for (const wait of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600].map((seconds) => seconds * SECOND)) {
      const before = tried.length
      await until(() => tried.length > before)
      await looks()
      assert.equal(tried.length, before + 1)
      clock.advance(wait - 1)
      await looks()
      assert.equal(tried.length, before + 1, `tried before ${wait / SECOND} s were over`)
      clock.advance(1)
    }
    answer = () => undefined
    await until(empty)
    assert.equal(new Set(tried.map(({ id }) => id)).size, 1, 'one message id')
    assert.ok(tried[0]?.id)
  })

  test('after seven days it is given up, which is an error and an event, again without address or content', async () => {
    answer = () => new MailError('down')
    await outbox.add([letter('anna')])
    run()
    await until(() => tried.length === 1)
    clock.advance(7 * DAY - 1)
    await until(() => tried.length === 2)
    await looks()
    assert.equal(await empty(), false)
    clock.advance(HOUR)
    await until(empty)
    assert.deepEqual(
      events.map(({ event, outcome, details }) => [event, outcome, details?.tries]),
      [['mail.given_up', 'fail', 3]],
    )
    assert.equal(lines.length, 1)
    assert.match(`${lines}`, /given up/)
    assert.doesNotMatch(`${lines}${inspect(events, { depth: 9 })}`, /anna|Work phone/)
  })

  test('while the server is down, letters are tried a few at a time; once it takes one, all others are due', async () => {
    answer = () => new MailError('down')
    await outbox.add(['a', 'b', 'c', 'd', 'e', 'f'].map(letter))
    run({ batch: 2 })
    await until(() => tried.length === 6)
    await looks()
    assert.equal(tried.length, 6)
    answer = () => undefined
    await looks()
    assert.deepEqual(sent, [], 'nothing is due')
    await outbox.add([letter('g')])
    await until(empty)
    assert.deepEqual(sent.toSorted(), ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    assert.equal(sent[0], 'g')
  })

  test('a letter that the server refuses holds up no other and is not tried with each of them', async () => {
    answer = (mail) => (nameOf(mail) === 'poison' ? new MailRefusedError('no such mailbox') : undefined)
    await outbox.add([letter('poison'), letter('anna')])
    run({ batch: 1 })
    await until(() => sent.length === 1)
    for (const name of ['bo', 'cleo']) {
      await outbox.add([letter(name)])
      await until(() => sent.includes(name))
    }
    await looks()
    assert.deepEqual(tried.map(({ name }) => name).filter((name) => name === 'poison').length, 1)
  })

  test('a letter that cannot be made says so in the log and holds up no other', async () => {
    answer = (mail) => (nameOf(mail) === 'broken' ? new Error('there is no view') : undefined)
    await outbox.add([letter('broken'), letter('anna')])
    run({ batch: 1 })
    await until(() => sent.length === 1)
    assert.match(`${lines}`, /could not be made.*there is no view/s)
    assert.equal((await outbox.waiting()).count, 1)
  })

  test('three processes at the same time: each letter goes out once', async () => {
    const names = Array.from({ length: 30 }, (_, turn) => `n${turn}`)
    await outbox.add(names.map(letter))
    answer = () => pause(Math.random() * 5, undefined)
    for (let process = 0; process < 3; process++) run({}, slow(createSqlOutbox(db, { clock })))
    await until(empty)
    assert.deepEqual(sent.toSorted(), names.toSorted())
  })

  test('a process that dies between sending and noting it: sent again with the same message id, when the lease is over', async () => {
    await outbox.add([letter('anna')])
    const remove = (): Promise<void> => Promise.reject(new UnavailableError('postgres'))
    const dying = run({}, { ...outbox, remove })
    await until(() => sent.length === 1)
    await dying.stop()
    assert.match(`${lines}`, /letters wait/)
    run()
    await looks()
    assert.equal(sent.length, 1)
    clock.advance(MINUTE)
    await until(empty)
    assert.deepEqual(sent, ['anna', 'anna'])
    assert.equal(tried[0]?.id, tried[1]?.id)
  })

  test('a store that is down is told once, and letters go on when it is back', async () => {
    let down = true
    const claim: Outbox['claim'] = (limit, lease) =>
      down ? Promise.reject(new UnavailableError('postgres')) : outbox.claim(limit, lease)
    await outbox.add([letter('anna')])
    run({}, { ...outbox, claim })
    await looks()
    assert.equal(lines.length, 1)
    down = false
    await until(empty)
  })

  test('without a mail server in the configuration letters wait for one', async () => {
    const later = mailer
    mailer = undefined
    await outbox.add([letter('anna')])
    run()
    await looks()
    assert.equal((await outbox.waiting()).count, 1)
    mailer = later
    await until(empty)
  })

  test('a nudge tries at once what was postponed: the mail server may be another one', async () => {
    answer = () => new MailError('down')
    await outbox.add([letter('anna')])
    const runner = run()
    await until(() => tried.length === 1)
    answer = () => undefined
    await looks()
    assert.deepEqual(sent, [])
    runner.nudge()
    await until(empty)
  })

  test('stopping waits for the letter on its way and takes no other', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>()
    answer = () => promise
    await outbox.add([letter('anna'), letter('bo')])
    const runner = run({ batch: 1 })
    await until(() => tried.length === 1)
    const stopped = runner.stop()
    resolve(undefined)
    await stopped
    assert.deepEqual(sent, ['anna'])
    assert.equal((await outbox.waiting()).count, 1)
    await looks()
    assert.equal(tried.length, 1)
  })

  test('stopping does not wait for ever', async () => {
    answer = () => new Promise(() => undefined)
    await outbox.add([letter('anna')])
    const runner = run({ farewell: 20 })
    await until(() => tried.length === 1)
    await runner.stop()
    assert.equal((await outbox.waiting()).count, 1)
  })
})
