import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { DAY } from '../../src/kernel/clock.ts'
import { graceLeft, stillPostponed } from '../../src/mfa/policy/postponement.ts'
import { FIXED } from '../harness/clock.ts'

const so = (firstAt: number, count = 1) => ({ firstAt, count })

describe('how long binding can be put off', () => {
  it('not at all without a grace, whatever was put off before', () => {
    assert.equal(graceLeft('none', undefined, FIXED), undefined)
    assert.equal(graceLeft('none', so(FIXED), FIXED), undefined)
  })

  it('so many sign-ins, counted down to the last', () => {
    const left = (count: number) => graceLeft({ signIns: 3 }, so(FIXED, count), FIXED)
    assert.deepEqual(graceLeft({ signIns: 3 }, undefined, FIXED), { signIns: 3 })
    assert.deepEqual([left(1), left(2), left(3), left(4)], [{ signIns: 2 }, { signIns: 1 }, undefined, undefined])
  })

  it('a time since the first request to bind, which has not ended a moment before its end', () => {
    const grace = { within: 7 * DAY }
    assert.deepEqual(graceLeft(grace, undefined, FIXED), { until: FIXED + 7 * DAY })
    assert.deepEqual(graceLeft(grace, so(FIXED), FIXED + 7 * DAY - 1), { until: FIXED + 7 * DAY })
    assert.equal(graceLeft(grace, so(FIXED), FIXED + 7 * DAY), undefined)
  })

  it('until a day that the file names, whenever the first request was', () => {
    const grace = { until: FIXED + DAY }
    assert.deepEqual(graceLeft(grace, so(FIXED - 30 * DAY), FIXED), grace)
    assert.equal(graceLeft(grace, undefined, FIXED + DAY), undefined)
  })
})

describe('a session that went on without a factor', () => {
  const postponed = { rule: 'staff', firstAt: FIXED }
  const within = { rule: 'staff', grace: { within: DAY } }

  it('may go on while the rule that let it does', () => {
    assert.equal(stillPostponed(postponed, within, FIXED + DAY - 1), true)
    assert.equal(stillPostponed(postponed, within, FIXED + DAY), false)
    assert.equal(stillPostponed({ rule: null, firstAt: FIXED }, { ...within, rule: null }, FIXED), true)
  })

  it('not under another rule, and not where nothing was put off', () => {
    assert.equal(stillPostponed(postponed, { ...within, rule: 'finance' }, FIXED), false)
    assert.equal(stillPostponed(postponed, { ...within, rule: null }, FIXED), false)
    assert.equal(stillPostponed(undefined, within, FIXED), false)
  })

  it('ends with the grace of its rule, and is one of the sign-ins that were counted', () => {
    assert.equal(stillPostponed(postponed, { rule: 'staff', grace: 'none' }, FIXED), false)
    assert.equal(stillPostponed(postponed, { rule: 'staff', grace: { signIns: 1 } }, FIXED + 300 * DAY), true)
  })
})
