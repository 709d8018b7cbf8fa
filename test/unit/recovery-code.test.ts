import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Account } from '../../src/accounts/account.ts'
import type { Change } from '../../src/audit/audit.ts'
import { MINUTE } from '../../src/kernel/clock.ts'
import { createNotices } from '../../src/mail/notices.ts'
import type { Finished } from '../../src/mfa/factors/authenticator.ts'
import type { Binding } from '../../src/mfa/factors/binding-store.ts'
import { indexOf, keep, matches, newCode, readCode, spelled } from '../../src/mfa/factors/recovery-code/code.ts'
import { put } from '../../src/mfa/factors/recovery-code/records.ts'
import { createRecoveryCode } from '../../src/mfa/factors/recovery-code/recovery-code.ts'
import { createRecoveryCodes } from '../../src/mfa/factors/recovery-code/recovery-codes.ts'

const NOW = 1_000_000_000_000
const account = { id: 'account', email: 'somebody@example.test' } as Account
const context = { account, now: NOW, locale: 'en', request: { ip: '192.0.2.1', userAgent: 'Browser' } }
const on = createRecoveryCode({ codes: 'on' })

function bindingOf(record: unknown, id = 'codes'): Binding {
  const rest = { accountId: account.id, label: undefined, version: 1, boundAt: 0, lastUsedAt: undefined }
  return { ...rest, id, type: 'recovery', record }
}

async function codesOf(codes: readonly string[]): Promise<Binding> {
  return bindingOf({ kind: 'codes', codes: await Promise.all(codes.map(keep)) })
}

async function bypassOf(code: string, expiresAt: number): Promise<Binding> {
  return bindingOf({ kind: 'bypass', expiresAt, ...(await keep(code)) }, 'bypass')
}

const answer = (bindings: Binding[], code: string, authenticator = on): Promise<Finished> =>
  authenticator.verify.finish({ bindings, challenge: undefined, code, context })

const reason = (finished: Finished): string => (finished.ok ? 'ok' : finished.reason)

describe('a code', () => {
  test('has 16 characters of base 32, each equally likely (RC-1)', () => {
    const seen = new Map<string, number>()
    for (let time = 0; time < 2000; time++) {
      const code = newCode(new Set())
      assert.match(code, /^[A-Z2-7]{16}$/)
      for (const character of code) seen.set(character, (seen.get(character) ?? 0) + 1)
    }
    assert.equal(seen.size, 32)
    // 1000 of each are expected; ten standard deviations are 311.
    for (const [character, count] of seen) assert.ok(count > 650 && count < 1350, `${character}: ${count}`)
  })

  test('is never found by the index of another', () => {
    const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567']
    const all = letters.flatMap((first) => letters.map((second) => first + second))
    const taken = new Set(all.filter((index) => index !== 'Q7'))
    assert.equal(indexOf(newCode(taken)), 'Q7')
  })

  test('is read however it was typed, and nothing else is', () => {
    assert.equal(spelled('ABCDEFGHIJKLMNOP'), 'ABCD-EFGH-IJKL-MNOP')
    for (const typed of [
      'ABCD-EFGH-IJKL-MNOP',
      'abcdefghijklmnop',
      ' ABCD EFGH\tIJKL MNOP ',
      'ABCD–EFGH—IJKL‐MNOP',
      'A8CD-EFGH-1JKL-MN0P',
    ]) {
      assert.equal(readCode(typed), 'ABCDEFGHIJKLMNOP', typed)
    }
    for (const typed of [
      '',
      'ABCD',
      'ABCD-EFGH-IJKL-MNO',
      'ABCD-EFGH-IJKL-MNOPQ',
      'ABCD-EFGH-IJKL-MNO9',
      'ÅBCD-EFGH-IJKL-MNOP',
    ]) {
      assert.equal(readCode(typed), undefined, typed)
    }
  })

  test('is kept as a salted hash, two alike as two different ones (RC-2)', async () => {
    const [one, two] = [await keep('ABCDEFGHIJKLMNOP'), await keep('ABCDEFGHIJKLMNOP')]
    assert.notEqual(one.hash, two.hash)
    assert.ok(Buffer.from(one.salt, 'base64url').length * 8 >= 32)
    assert.ok(!JSON.stringify(one).includes('CDEFGHIJ'))
    assert.ok(await matches('ABCDEFGHIJKLMNOP', one))
    assert.ok(!(await matches('ABCDEFGHIJKLMNOQ', one)))
    assert.ok(!(await matches('ABCDEFGHIJKLMNOP', undefined)))
  })
})

describe('a code that was typed', () => {
  test('that was kept by an older program is still right', async () => {
    const kept = {
      index: 'AB',
      salt: 'G7f0OeGWRxFMgQUQhawZAA',
      hash: 'GM64JiSQ8gq-DdJdnzeEBuhJvD4l3kHUxh-d0dXR284',
    }
    assert.equal(await matches('ABCDEFGHIJKLMNOP', kept), true)
  })

  test('is right once, and marks itself used and nothing else', async () => {
    const codes = ['AAAAAAAAAAAAAAAA', 'BBBBBBBBBBBBBBBB']
    const binding = await codesOf(codes)
    const finished = await answer([binding], 'bbbb-bbbb-bbbb-bbbb')
    assert.ok(finished.ok && finished.binding === binding && finished.opens === undefined)
    assert.deepEqual(finished.sideEffect, {
      event: 'recovery.used',
      notice: 'recovery-used',
      details: { left: 1 },
      ends: 'devices',
    })
    const { codes: kept } = finished.record as { codes: { usedAt?: number }[] }
    assert.deepEqual(
      kept.map(({ usedAt }) => usedAt),
      [undefined, NOW],
    )
    const after = bindingOf(finished.record)
    assert.equal(reason(await answer([after], codes[1] ?? '')), 'replayed')
    assert.equal(reason(await answer([after], codes[0] ?? '')), 'ok')
    assert.deepEqual(on.fallback?.reserve([after], NOW), { codes: 1, bypass: false })
  })

  test('is wrong with the index of a right one, with that of none, and where there are none', async () => {
    const binding = await codesOf(['AAAAAAAAAAAAAAAA'])
    for (const code of ['AAAAAAAAAAAAAAAB', 'BBBBBBBBBBBBBBBB', '', '1']) {
      assert.equal(reason(await answer([binding], code)), 'mismatch', code)
    }
    assert.equal(reason(await answer([], 'AAAAAAAAAAAAAAAA')), 'mismatch')
  })

  test('of an administrator proves nothing, until its time is over', async () => {
    const binding = await bypassOf('CCCCCCCCCCCCCCCC', NOW + MINUTE)
    assert.deepEqual(on.fallback?.reserve([binding], NOW), { codes: 0, bypass: true })
    const finished = await answer([binding], 'CCCC-CCCC-CCCC-CCCC')
    assert.ok(finished.ok && finished.opens === 'binding')
    assert.deepEqual(finished.sideEffect, { event: 'bypass.used' })
    assert.equal(reason(await answer([bindingOf(finished.record, 'bypass')], 'CCCCCCCCCCCCCCCC')), 'replayed')
    const over = await bypassOf('CCCCCCCCCCCCCCCC', NOW)
    assert.equal(reason(await answer([over], 'CCCCCCCCCCCCCCCC')), 'expired')
    assert.deepEqual(on.fallback?.reserve([over], NOW), { codes: 0, bypass: false })
  })

  test('of the owner counts nothing where there are to be none; of an administrator it does', async () => {
    const off = createRecoveryCode({ codes: 'off' })
    const bindings = [await codesOf(['AAAAAAAAAAAAAAAA']), await bypassOf('CCCCCCCCCCCCCCCC', NOW + MINUTE)]
    assert.equal(reason(await answer(bindings, 'AAAAAAAAAAAAAAAA', off)), 'mismatch')
    assert.equal(reason(await answer(bindings, 'CCCCCCCCCCCCCCCC', off)), 'ok')
    assert.deepEqual(off.fallback?.reserve(bindings, NOW), { codes: 0, bypass: true })
  })

  test('FA-7: a record of another shape is a fault, never a code that is not there', async () => {
    for (const record of [
      null,
      {},
      { kind: 'codes' },
      { kind: 'bypass' },
      { kind: 'bypass', hash: 'x' },
      { kind: 'bypass', expiresAt: NOW },
      { kind: 'other', codes: [] },
    ]) {
      await assert.rejects(answer([bindingOf(record)], 'AAAAAAAAAAAAAAAA'))
      assert.throws(() => on.fallback?.reserve([bindingOf(record)], NOW))
    }
  })
})

test('how many are left: those of the owner that were not used, and none where there are to be none', async () => {
  const own = await codesOf(['AAAAAAAAAAAAAAAA', 'BBBBBBBBBBBBBBBB'])
  const used = await answer([own], 'AAAAAAAAAAAAAAAA')
  assert.ok(used.ok)
  const bindings = [bindingOf(used.record), await bypassOf('CCCCCCCCCCCCCCCC', NOW + MINUTE)]
  const left = (count: number): number => createRecoveryCodes({ count }, {} as never).left(bindings)
  assert.deepEqual([left(10), left(0)], [1, 0])
})

test('a set: as many codes as the file says, none of them in what is kept, its owner told', async () => {
  const written: unknown[] = []
  const bindings = {
    list: async () => [],
    insert: async (...given: unknown[]) => {
      written.push(given)
      return true
    },
  }
  const notices = createNotices({
    mail: true,
    serviceName: 'Example',
    locale: 'en',
    accountUrl: 'https://id.example.test',
  })
  const made = createRecoveryCodes({ count: 20 }, { bindings: bindings as never, notices, clock: { now: () => NOW } })
  const codes = await made.renew(account, { ip: '192.0.2.1', browser: 'Browser' })
  assert.equal(new Set(codes.map((code) => code.slice(0, 2))).size, 20)
  for (const code of codes) assert.match(code, /^[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}$/)
  const text = JSON.stringify(written)
  for (const code of codes) assert.ok(!text.includes(code.replaceAll('-', '').slice(2)))
  assert.match(text, /"recovery\.regenerated".*"recovery-new"/)
})

test('whoever is overtaken while writing a set writes it once more, until it is there', async () => {
  const written: string[] = []
  let there: Binding | undefined
  const bindings = {
    list: async () => (there === undefined ? [] : [there]),
    insert: async ({ id }: { id: string }) => {
      written.push('insert')
      there = bindingOf({ kind: 'codes', codes: [] }, id)
      return false
    },
    replace: async (_id: string, version: number) => {
      written.push(`replace ${version}`)
      if (there !== undefined) there = { ...there, version: 2 }
      return version === 2
    },
  }
  const change: Change = { event: 'recovery.regenerated', outcome: 'ok' }
  const record = { kind: 'codes' as const, codes: [] }
  await put(account, record, { bindings: bindings as never, change, now: NOW })
  assert.deepEqual(written, ['insert', 'replace 1', 'replace 2'])
})
