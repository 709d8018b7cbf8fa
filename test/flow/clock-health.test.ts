import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type RunningGateway, startGateway } from '../harness/gateway.ts'
import { freePort } from '../harness/services.ts'
import { type Stores, startStores } from '../harness/stores.ts'
import { startTimeServer, type TimeServer } from '../harness/time-server.ts'

describe('D7: a gateway whose clock is wrong', () => {
  let stores: Stores
  let server: TimeServer
  let gateway: RunningGateway
  let metrics: number
  before(async () => {
    stores = await startStores('embedded')
    server = await startTimeServer({ ahead: 60_000 })
    metrics = await freePort()
    gateway = await startGateway({
      stores,
      config: { clock: { check: 'warn', servers: [server.address] }, metrics: { host: '127.0.0.1', port: metrics } },
    })
    for (let turn = 0; turn < 100 && server.asked.length === 0; turn++) await pause(10)
    await pause(20)
  })
  after(async () => {
    await gateway.stop()
    await stores.stop()
    server.close()
  })

  const ready = async () => (await fetch(`${gateway.issuer}/readyz`)).status

  test('says so in the audit log and in a metric, and serves', async () => {
    await gateway.installation.trail.flush()
    const events = (await gateway.installation.audit.list({})).map(({ event }) => event)
    assert.ok(events.includes('clock.wrong'))
    const text = await (await fetch(`http://127.0.0.1:${metrics}/metrics`)).text()
    const [, offset] = /^stepgate_clock_offset_seconds (\S+)$/m.exec(text) ?? []
    assert.ok(Math.abs(Number(offset) - 60) < 1, offset)
    assert.equal(await ready(), 200)
  })

  test('is not ready where the file asks for that', async () => {
    await gateway.restart({ clock: { check: 'fail', servers: [server.address] } })
    const before = server.asked.length
    for (let turn = 0; turn < 100 && (await ready()) === 200; turn++) await pause(20)
    assert.ok(server.asked.length >= before)
    assert.equal(await ready(), 503)
    await gateway.restart({ clock: { check: 'fail', servers: [server.address], maxOffset: '2m' } })
    await pause(100)
    assert.equal(await ready(), 200)
  })
})
