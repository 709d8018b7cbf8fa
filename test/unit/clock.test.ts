import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import type { AuditEvent } from '../../src/audit/audit.ts'
import {
  type ClockOptions,
  createClockWatch,
  createJumpWatch,
  isWrong,
  readClock,
} from '../../src/clock/clock-check.ts'
import { askOffset } from '../../src/clock/sntp.ts'
import { systemClock } from '../../src/kernel/clock.ts'
import { type Log, silentLog } from '../../src/kernel/log.ts'
import { freePort } from '../harness/services.ts'
import { startTimeServer, type TimeServer, type TimeServerOptions } from '../harness/time-server.ts'

const NEAR = 500

describe('the check of the clock', () => {
  const servers: TimeServer[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  async function serving(options: TimeServerOptions = {}): Promise<TimeServer> {
    const server = await startTimeServer(options)
    servers.push(server)
    return server
  }

  const ask = ({ address }: TimeServer, patience = 300): Promise<number> =>
    askOffset(address, { clock: systemClock, patience })
  const options = (addresses: readonly string[], changes: Partial<ClockOptions> = {}): ClockOptions => ({
    check: 'warn',
    servers: addresses,
    maxOffset: 5000,
    ...changes,
  })

  test('tells how far a server is ahead, in either direction, and says nothing of our own time', async () => {
    for (const ahead of [0, 42_000, -3_600_000]) {
      const server = await serving({ ahead })
      const offset = await ask(server)
      assert.ok(Math.abs(offset - ahead) < NEAR, `${offset}`)
      const [request] = server.asked
      assert.equal(request?.length, 48)
      assert.equal(request?.[0], 0x23)
      const year = (request?.readUInt32BE(40) ?? 0) - 2_208_988_800 - Date.now() / 1000
      assert.ok(Math.abs(year) > 60, 'the transmit time is a random value')
    }
  })

  test('the era that begins in 2036 is understood', async () => {
    const ahead = Date.UTC(2040, 0, 1) - Date.now()
    const server = await serving({
      spoil(reply) {
        const seconds = Math.floor(Date.UTC(2040, 0, 1) / 1000) + 2_208_988_800 - 2 ** 32
        for (const place of [32, 40]) reply.writeUInt32BE(seconds, place)
        return reply
      },
    })
    assert.ok(Math.abs((await ask(server)) - ahead) < 2 * NEAR + 1000)
  })

  const lies: [string, (reply: Buffer) => Buffer | undefined, RegExp][] = [
    [
      'an answer to another question',
      (reply) => {
        reply[24] = (reply[24] ?? 0) ^ 1
        return reply
      },
      /not to our question/,
    ],
    ['a packet that is too short', (reply) => reply.subarray(0, 47), /too short/],
    [
      'a client’s packet',
      (reply) => {
        reply[0] = 0x23
        return reply
      },
      /not a server/,
    ],
    [
      'a server whose clock is not set',
      (reply) => {
        reply[0] = 0b11_100_100
        return reply
      },
      /not set/,
    ],
    [
      'a stratum beyond the last',
      (reply) => {
        reply[1] = 16
        return reply
      },
      /not set/,
    ],
    [
      'a kiss of death',
      (reply) => {
        reply[1] = 0
        reply.write('RATE', 12, 'latin1')
        return reply
      },
      /refuses \(RATE\)/,
    ],
    ['an answer without a time', (reply) => reply.fill(0, 32), /no time/],
    ['silence', () => undefined, /no answer within/],
  ]
  for (const [what, spoil, says] of lies) {
    test(`${what} is no time`, async () => {
      await assert.rejects(ask(await serving({ spoil })), says)
    })
  }

  test('of three servers the one that lies is outvoted', async () => {
    const three = await Promise.all([serving(), serving({ ahead: 3_600_000 }), serving({ ahead: 20 })])
    const reading = await readClock(options(three.map(({ address }) => address)), { clock: systemClock })
    assert.ok('offset' in reading && Math.abs(reading.offset) < NEAR)
    assert.equal(isWrong(reading, options([])), false)
  })

  test('a server that does not answer does not hide another', async () => {
    const silent = `127.0.0.1:${await freePort()}`
    const reading = await readClock(options([silent, (await serving({ ahead: 9000 })).address]), { clock: systemClock })
    assert.deepEqual(['offset' in reading, isWrong(reading, options([]))], [true, true])
  })

  test('D7, TO-9: a wrong clock is told in log and audit, a right one is not; off asks nobody', async () => {
    const told: unknown[] = []
    const log: Log = { ...silentLog, warn: (message) => void told.push(message) }
    const trail = { record: ({ event }: AuditEvent) => void told.push(event), flush: async () => undefined, dropped: 0 }
    const [right, wrong] = [await serving(), await serving({ ahead: -6000 })]
    let current = options([right.address])
    let first = true
    const state = {
      async add() {
        const before = first
        first = false
        return before
      },
    }
    const watch = createClockWatch(() => current, { clock: systemClock, log, trail, state })
    await watch.read()
    assert.deepEqual(told, [])
    current = options([wrong.address])
    await watch.read()
    assert.deepEqual(told, ['the clock of this server is wrong: codes of apps will not fit', 'clock.wrong'])
    await watch.read()
    assert.deepEqual(
      told.slice(2),
      ['the clock of this server is wrong: codes of apps will not fit'],
      'one row for all',
    )
    current = options([wrong.address], { check: 'off' })
    await watch.read()
    assert.deepEqual([wrong.asked.length, told.length, watch.reading], [2, 3, undefined])
  })

  test('FA-8: a wall clock that is set by more than five seconds is told, once; time that passes is not', () => {
    const told: unknown[] = []
    const log: Log = { ...silentLog, warn: (message, details) => void told.push(message, details) }
    let [wall, monotonic] = [1_000_000, 0]
    const jumps = createJumpWatch({ clock: { now: () => wall }, monotonic: () => monotonic, log })
    const pass = (by: number, set = 0): void => {
      wall += by + set
      monotonic += by
      jumps.look()
    }
    pass(10_000)
    pass(60_000, 4000)
    assert.deepEqual(told, [])
    pass(10_000, -7000)
    pass(10_000)
    assert.deepEqual(told, ['the wall clock jumped', { byMilliseconds: -7000 }])
  })
})
