import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { before, test } from 'node:test'
import type { SettingStore } from '../../src/config/setting-store.ts'
import { createSqlSettings } from '../../src/sql/settings.ts'
import { onEachDatabase } from '../harness/databases.ts'
import { slow } from '../harness/slow.ts'

onEachDatabase('setting store', (databases) => {
  let settings: SettingStore
  before(async () => {
    settings = slow(createSqlSettings(await databases.open()))
  })

  test('the first answer holds for good', async () => {
    const name = randomUUID()
    assert.equal(await settings.get(name), undefined)
    assert.equal(await settings.addOnce(name, 'keep'), 'keep')
    assert.equal(await settings.addOnce(name, 'off'), 'keep')
    assert.equal(await settings.get(name), 'keep')
  })

  test('ten different answers at the same time: all are told the one that holds', async () => {
    const name = randomUUID()
    const told = await Promise.all(Array.from({ length: 10 }, (_, caller) => settings.addOnce(name, `${caller}`)))
    assert.equal(new Set(told).size, 1)
    assert.equal(await settings.get(name), told[0])
  })

  test('any text is kept, and no name reaches another setting', async () => {
    const name = randomUUID()
    const value = JSON.stringify({ quote: '\'"', line: '\n', emoji: '\u{1F469}\u200D\u{1F692}' })
    assert.equal(await settings.addOnce(name, value), value)
    for (const other of ['', '%', "' or '1'='1", name.toUpperCase()]) assert.equal(await settings.get(other), undefined)
  })
})
