import assert from 'node:assert/strict'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { afterEach, beforeEach, describe, it } from 'node:test'
import Koa, { type Context } from 'koa'
import type { AuditTrail } from '../../src/audit/audit.ts'
import { MINUTE } from '../../src/kernel/clock.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import type { StateStore } from '../../src/state/store.ts'
import { addressLimits } from '../../src/web/address-limits.ts'
import { createTestClock, FIXED, type TestClock } from '../harness/clock.ts'

/** Refusals that one process remembers. */
const REMEMBERED = 10_000
const silentTrail: AuditTrail = { record: () => undefined, flush: async () => undefined, dropped: 0 }

describe('limits by address', () => {
  const app = new Koa()
  let clock: TestClock
  let state: StateStore
  /** Requests that got as far as the engine. */
  let reached: string[]
  let guess: (address: string) => Promise<Context>

  beforeEach(() => {
    clock = createTestClock(FIXED)
    state = createEmbeddedState({ file: ':memory:' }, { clock, log: silentLog })
    reached = []
    const options = { interactions: 10, clientFailures: 1, sessionCookie: 'session' }
    const limit = addressLimits(options, { state, clock, trail: silentTrail })
    guess = async (address) => {
      const request = new IncomingMessage(new Socket())
      const ctx = app.createContext(
        Object.assign(request, { method: 'POST', url: '/token' }),
        new ServerResponse(request),
      )
      ctx.request.ip = address
      await limit(ctx, async () => {
        reached.push(address)
        ctx.status = 401
      })
      return ctx
    }
  })
  afterEach(() => state.close())

  const addressOf = (index: number): string => `10.${index >> 16}.${(index >> 8) & 0xff}.${index & 0xff}`

  it('refuse a network before the engine sees it, until its window ends (RL-9)', async () => {
    assert.equal((await guess('192.0.2.1')).status, 401)
    const refused = await guess('192.0.2.1')
    assert.deepEqual([refused.status, refused.response.get('retry-after'), reached.length], [429, '60', 1])
    assert.equal((await guess('192.0.2.2')).status, 401)
    clock.advance(MINUTE - 1)
    assert.equal((await guess('192.0.2.1')).status, 429)
    clock.advance(1)
    assert.equal((await guess('192.0.2.1')).status, 401)
  })

  it('remember so many refused networks and no more: one that was forgotten is counted again, and refused again', async () => {
    await guess('192.0.2.1')
    for (let index = 1; index < REMEMBERED; index++) await guess(addressOf(index))
    reached = []
    assert.equal((await guess('192.0.2.1')).status, 429)
    assert.deepEqual(reached, [], 'the last that fits')
    await guess(addressOf(REMEMBERED))
    reached = []
    assert.equal((await guess('192.0.2.1')).status, 401)
    assert.equal((await guess('192.0.2.1')).status, 429)
    assert.deepEqual(reached, ['192.0.2.1'])
    assert.equal((await guess(addressOf(REMEMBERED))).status, 429, 'the newest is not forgotten')
  })
})
