import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, mock, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MINUTE } from '../../src/kernel/clock.ts'
import { silentLog } from '../../src/kernel/log.ts'
import type { SetupDecision } from '../../src/mfa/policy/setup-decision-store.ts'
import { createSetupTokens } from '../../src/setup/token.ts'
import { createEmbeddedState } from '../../src/state/embedded.ts'
import type { StateStore } from '../../src/state/store.ts'
import { createTestClock, type TestClock } from '../harness/clock.ts'

const IP = '192.0.2.7'

describe('the token of set-up (A7)', () => {
  let folder: string
  let clock: TestClock
  let state: StateStore
  let answer: SetupDecision | undefined
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'stepgate-setup-token-'))
    clock = createTestClock()
    state = createEmbeddedState({ file: join(folder, 'state.db') }, { clock, log: silentLog })
    answer = undefined
    mock.timers.enable({ apis: ['setInterval'] })
  })
  afterEach(async () => {
    mock.timers.reset()
    await state.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const process = () => createSetupTokens({ state, setupDecisions: { get: async () => answer }, log: silentLog })
  async function pass(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute += 1) {
      clock.advance(MINUTE)
      mock.timers.tick(MINUTE)
      await turn()
    }
  }

  test('is known to every process as long as its own waits, however long that is', async () => {
    const [one, other] = [await process(), await process()]
    await pass(45)
    assert.deepEqual(await other.check(one.token, IP), { ok: true })
    assert.deepEqual(await other.check(one.token, IP), { ok: true }, 'the browser was lost: it is given again')
  })

  test('does not outlive a process that was killed', async () => {
    const killed = await process()
    mock.timers.reset()
    const other = await process()
    clock.advance(10 * MINUTE + 1)
    assert.deepEqual(await other.check(killed.token, IP), { ok: false })
  })

  test('is dead everywhere when set-up is finished, also where nobody has noticed, and is not renewed', async () => {
    const [one, other] = [await process(), await process()]
    answer = { enabled: true, by: 'page', at: clock.now() }
    assert.deepEqual(await one.check(one.token, IP), { ok: false })
    assert.deepEqual(await other.check(one.token, IP), { ok: false })
    await pass(15)
    answer = undefined
    const third = await process()
    assert.deepEqual(await third.check(one.token, IP), { ok: false }, 'it is not in the store any more')
  })

  test('is dead with its process when that ends', async () => {
    const [one, other] = [await process(), await process()]
    await one.close()
    await pass(4)
    assert.deepEqual(await other.check(one.token, IP), { ok: false })
    assert.deepEqual(await one.check(one.token, IP), { ok: false })
  })
})
