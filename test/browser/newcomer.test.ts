import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { needs } from '../harness/needs.ts'
import { STATIONS, type Station, walkAsNewcomer } from './newcomer.ts'

describe('a newcomer', { skip: needs('chromium-headless-shell') }, () => {
  test('gets from the first start to a user who lost their phone and is in again', async () => {
    const seen: Station[] = []
    await walkAsNewcomer(async (station) => void seen.push(station))
    assert.deepEqual(seen, [...STATIONS])
  })
})
