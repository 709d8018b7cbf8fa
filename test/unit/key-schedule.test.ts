import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HOUR, MINUTE } from '../../src/kernel/clock.ts'
import { schedule } from '../../src/provider/key-schedule.ts'
import type { SigningKey } from '../../src/provider/key-store.ts'
import { FIXED } from '../harness/clock.ts'

const KEPT = 10 * MINUTE
/** How much longer than its tokens a key is published: until every gateway has noticed that it signs no more. */
const NOTICED = 5 * MINUTE
/** Relying parties may keep for an hour what they have read, before a new key signs. */
const LEAD = HOUR + NOTICED

const keyOf = (kid: string, createdAt: number, alg: SigningKey['alg'] = 'RS256'): SigningKey =>
  ({ kid, alg, createdAt }) as SigningKey

function statusesAt(now: number, keys: readonly SigningKey[]): Record<string, string> {
  return Object.fromEntries(schedule(keys, { now, kept: KEPT }).map(({ key, status }) => [key.kid, status]))
}

describe('what a signing key is used for (KM-2)', () => {
  const [old, young] = [keyOf('old', FIXED), keyOf('young', FIXED + 24 * HOUR)]
  const signs = young.createdAt + LEAD
  const over = signs + KEPT + NOTICED

  it('the first key signs at once, since no other does, and goes on until there is another', () => {
    assert.deepEqual(statusesAt(FIXED, [old]), { old: 'active' })
    assert.deepEqual(statusesAt(FIXED + 10_000 * HOUR, [old]), { old: 'active' })
    assert.deepEqual(statusesAt(FIXED - MINUTE, [old]), { old: 'active' }, 'also where the clock is behind its maker’s')
  })

  it('the next is published for an hour and five minutes before it signs, and takes over to the millisecond', () => {
    assert.deepEqual(statusesAt(young.createdAt, [old, young]), { old: 'active', young: 'next' })
    assert.deepEqual(statusesAt(signs - 1, [old, young]), { old: 'active', young: 'next' })
    assert.deepEqual(statusesAt(signs, [old, young]), { old: 'retired', young: 'active' })
  })

  it('an old one is published until its last token has expired everywhere, and then no more', () => {
    assert.deepEqual(statusesAt(over - 1, [old, young]), { old: 'retired', young: 'active' })
    assert.deepEqual(statusesAt(over, [old, young]), { old: 'over', young: 'active' })
  })

  it('says when, whatever the order the keys are listed in', () => {
    const [first, second] = schedule([young, old], { now: FIXED, kept: KEPT })
    assert.deepEqual(first, {
      key: old,
      status: 'active',
      signsFrom: old.createdAt,
      signsUntil: signs,
      publishedUntil: over,
    })
    assert.deepEqual(second, {
      key: young,
      status: 'next',
      signsFrom: signs,
      signsUntil: undefined,
      publishedUntil: undefined,
    })
  })

  it('keys of another algorithm have a line of their own', () => {
    const other = keyOf('other', young.createdAt, 'ES256')
    assert.deepEqual(statusesAt(over, [old, other]), { old: 'active', other: 'active' })
  })
})
