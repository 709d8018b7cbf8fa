import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { MINUTE } from '../../src/kernel/clock.ts'
import { UnavailableError } from '../../src/kernel/errors.ts'
import type { Outbox } from '../../src/mail/outbox.ts'
import { createMetrics } from '../../src/web/metrics.ts'

const NOW = 1_000_000

/** Lines of `/metrics` about the outbox, by name. */
async function gauges(waiting: Outbox['waiting']): Promise<Record<string, number>> {
  const metrics = createMetrics()
  metrics.watch({ waiting }, { now: () => NOW })
  const server = metrics.server(() => undefined).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`)
    assert.equal(answer.status, 200)
    const lines = (await answer.text()).matchAll(/^stepgate_(outbox_\w+) (\S+)$/gm)
    return Object.fromEntries([...lines].map(([, name, value]) => [name, Number(value === 'Nan' ? Number.NaN : value)]))
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('metrics tell how many letters wait and for how long', async () => {
  const some = await gauges(async () => ({ count: 3, oldest: NOW - MINUTE }))
  assert.deepEqual(some, { outbox_waiting: 3, outbox_oldest_seconds: 60 })
  const none = await gauges(async () => ({ count: 0, oldest: undefined }))
  assert.deepEqual(none, { outbox_waiting: 0, outbox_oldest_seconds: 0 })
})

test('a store that is down makes them no numbers and takes no other metric away', async () => {
  const down = await gauges(() => Promise.reject(new UnavailableError('postgres')))
  assert.deepEqual(down, { outbox_waiting: Number.NaN, outbox_oldest_seconds: Number.NaN })
})
