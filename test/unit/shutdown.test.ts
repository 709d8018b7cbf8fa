import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Ending, shutDown } from '../../src/web/shutdown.ts'

describe('the end of a gateway', () => {
  function ending(settled: () => Promise<unknown>, stopping = 0) {
    const steps: string[] = []
    const parts: Ending = {
      async stop() {
        await pause(stopping)
        steps.push('stopped')
      },
      async flush() {
        steps.push('flushed')
      },
      async settled() {
        steps.push('waiting')
        await settled()
        steps.push('settled')
      },
    }
    return { steps, parts }
  }

  test('writes what is known before it waits for others, and what they said after it', async () => {
    const { steps, parts } = ending(() => pause(5))
    const before = performance.now()
    await shutDown(parts, 60_000)
    assert.deepEqual(steps, ['stopped', 'flushed', 'waiting', 'settled', 'flushed'])
    assert.ok(performance.now() - before < 10_000)
  })

  test('is not held up by an application that does not answer: it gets what the requests under way left', async () => {
    const { steps, parts } = ending(() => new Promise(() => undefined), 1000)
    const before = performance.now()
    await shutDown(parts, 1100)
    assert.deepEqual(steps, ['stopped', 'flushed', 'waiting', 'flushed'])
    // With a whole patience after the stop it would be 2100.
    assert.ok(performance.now() - before < 2000)
  })
})
