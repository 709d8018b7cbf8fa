import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  createPasswordThrottle,
  type PasswordAttempt,
  type PasswordThrottle,
  type PasswordThrottleOptions,
} from '../../src/accounts/password-throttle.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import { silentLog } from '../../src/kernel/log.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import { createTestClock, FIXED } from '../harness/clock.ts'
import { slow } from '../harness/slow.ts'

const OPTIONS: PasswordThrottleOptions = {
  tries: 5,
  delay: 30 * SECOND,
  delayMax: HOUR,
  perAddress: 20,
  window: 15 * MINUTE,
  accountsPerAddress: 100,
}

const folder = mkdtempSync(join(tmpdir(), 'stepgate-throttle-'))
const clock = createTestClock(FIXED)
const state = createEmbeddedState({ file: join(folder, 'state.db') }, { clock, log: silentLog })
after(async () => {
  await state.close()
  rmSync(folder, { recursive: true, force: true })
})

let throttle: PasswordThrottle
let attempt: PasswordAttempt
let people = 0

function newAttempt(given: Partial<PasswordAttempt> = {}): PasswordAttempt {
  people++
  return { account: `account-${people}`, network: `network-${people}`, known: undefined, ...given }
}

beforeEach(() => {
  throttle = createPasswordThrottle(OPTIONS, { state, now: () => clock.now() })
  attempt = newAttempt()
})

/** The wait it was refused with; undefined: it was judged, and failed. */
async function fail(given = attempt, by = throttle): Promise<number | undefined> {
  const admission = await by.begin(given)
  if (!admission.ok) return admission.retryAfter
  await admission.failed()
  return undefined
}

async function succeed(given = attempt): Promise<void> {
  const admission = await throttle.begin(given)
  assert.ok(admission.ok)
  await admission.succeeded()
}

async function failTimes(times: number, given = attempt): Promise<void> {
  for (let time = 0; time < times; time++) assert.equal(await fail(given), undefined, `try ${time + 1}`)
}

describe('one account from one network', () => {
  test('five tries, then each failure closes the gate twice as long, up to an hour (RL-2)', async () => {
    throttle = createPasswordThrottle({ ...OPTIONS, perAddress: 1000 }, { state, now: () => clock.now() })
    await failTimes(5)
    for (const delay of [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]) {
      assert.equal(await fail(), delay * SECOND)
      clock.advance(delay * SECOND - 1)
      assert.equal(await fail(), 1)
      clock.advance(1)
      assert.equal(await fail(), undefined)
    }
  })

  test('asking while the gate is closed does not keep it closed', async () => {
    await failTimes(5)
    for (let second = 30; second > 0; second--) {
      assert.equal(await fail(), second * SECOND)
      clock.advance(SECOND)
    }
    assert.equal(await fail(), undefined)
  })

  test('a success begins anew: the count and the gate are gone', async () => {
    await failTimes(5)
    clock.advance(30 * SECOND)
    await succeed()
    await failTimes(5)
    assert.equal(await fail(), 30 * SECOND)
  })

  test('what could not be judged counts nowhere, the last free try included (FA-6)', async () => {
    const unjudged = async (given: PasswordAttempt): Promise<void> => {
      const admission = await throttle.begin(given)
      assert.ok(admission.ok)
      await admission.unjudged()
    }
    for (let time = 0; time < 30; time++) await unjudged(attempt)
    await failTimes(4)
    for (let time = 0; time < 3; time++) await unjudged(attempt)
    await failTimes(1)
    assert.equal(await fail(), 30 * SECOND)
  })

  test('a try that could not be judged does not open the gate that a later one has closed', async () => {
    await failTimes(3)
    const fourth = await throttle.begin(attempt)
    await failTimes(1)
    assert.ok(fourth.ok)
    await fourth.unjudged()
    assert.equal(await fail(), 30 * SECOND)
  })

  test('failures a day apart are no row', async () => {
    await failTimes(4)
    clock.advance(DAY)
    await failTimes(5)
  })

  test('another account, another network and a known browser have room of their own (RL-8)', async () => {
    await failTimes(5)
    assert.notEqual(await fail(), undefined)
    await failTimes(5, { ...attempt, account: 'somebody else' })
    await failTimes(5, { ...attempt, network: 'elsewhere' })
    await failTimes(5, { ...attempt, known: 'mark' })
    assert.equal(await fail({ ...attempt, known: 'mark' }), 30 * SECOND)
    await failTimes(5, { ...attempt, known: 'another mark' })
  })

  test('a known browser is known in every network, and its failures are its own alone', async () => {
    await failTimes(4, { ...attempt, known: 'mark' })
    await failTimes(1, { ...attempt, known: 'mark', network: 'elsewhere' })
    assert.equal(await fail({ ...attempt, known: 'mark', network: 'a third' }), 30 * SECOND)
    await failTimes(5)
  })
})

describe('one network', () => {
  test('twenty failures in a quarter of an hour, whatever the accounts; then the window ends (RL-2)', async () => {
    for (let time = 0; time < 20; time++) assert.equal(await fail({ ...attempt, account: `${time}` }), undefined)
    clock.advance(MINUTE)
    assert.equal(await fail({ ...attempt, account: 'next' }), 14 * MINUTE)
    assert.equal(await fail({ ...attempt, account: 'known here', known: 'mark' }), undefined)
    clock.advance(14 * MINUTE)
    assert.equal(await fail({ ...attempt, account: 'next' }), undefined)
  })

  test('successes cost nothing: an office signs in all day', async () => {
    for (let time = 0; time < 60; time++) await succeed({ ...attempt, account: `${time}` })
    await failTimes(1)
  })

  test('a hundred different accounts an hour, however slowly: then nobody for an hour (spraying)', async () => {
    const wide = createPasswordThrottle({ ...OPTIONS, perAddress: 1000 }, { state, now: () => clock.now() })
    for (let time = 0; time < 100; time++) {
      assert.equal(await fail({ ...attempt, account: `${time}` }, wide), undefined)
      clock.advance(30 * SECOND)
    }
    assert.equal(await fail({ ...attempt, account: 'next' }, wide), HOUR - 30 * SECOND)
    assert.equal(await fail({ ...attempt, account: 'known here', known: 'mark' }, wide), undefined)
    assert.equal(await fail({ ...attempt, network: 'elsewhere' }, wide), undefined)
    clock.advance(HOUR)
    assert.equal(await fail({ ...attempt, account: 'next' }, wide), undefined)
  })
})

describe('at the same time (RL-4, CVE-2024-4629, GHSA-7h8m-vrxx-vr4m)', () => {
  const burst = async (by: PasswordThrottle, given: (time: number) => PasswordAttempt): Promise<number> => {
    const waits = await Promise.all(Array.from({ length: 60 }, (_, time) => fail(given(time), by)))
    return waits.filter((wait) => wait === undefined).length
  }

  test('no more tries of one account are judged than it has', async () => {
    const late = createPasswordThrottle(
      { ...OPTIONS, perAddress: 1000 },
      { state: slow(state), now: () => clock.now() },
    )
    assert.equal(await burst(late, () => attempt), 5)
    // The ones that were not judged have made the wait longer, at most to its limit.
    clock.advance(HOUR)
    assert.equal(await burst(late, () => attempt), 1)
  })

  test('nor of one network', async () => {
    const late = createPasswordThrottle(OPTIONS, { state: slow(state), now: () => clock.now() })
    assert.equal(await burst(late, (time) => ({ ...attempt, account: `${time}` })), 20)
    assert.equal(await burst(late, (time) => ({ ...attempt, account: `${time}` })), 0)
  })
})

test('who got in hears so when the tries before are forgotten, not earlier', async () => {
  let forgotten = false
  const late: typeof state = {
    ...state,
    async delete(...keys) {
      await pause(20)
      await state.delete(...keys)
      forgotten = true
    },
  }
  const judged = await createPasswordThrottle(OPTIONS, { state: late, now: () => clock.now() }).begin(attempt)
  assert.ok(judged.ok)
  await judged.succeeded()
  assert.ok(forgotten)
})
