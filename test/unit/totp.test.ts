import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import jsQR from 'jsqr'
import { PNG } from 'pngjs'
import { DAY, HOUR, MINUTE, SECOND } from '../../src/kernel/clock.ts'
import type { CeremonyContext, Finished } from '../../src/mfa/factors/authenticator.ts'
import type { Binding } from '../../src/mfa/factors/binding-store.ts'
import { matcher, newSecret, type SharedKey, stepAt } from '../../src/mfa/factors/totp/codes.ts'
import { createTotp, type TotpOptions, type TotpRecord } from '../../src/mfa/factors/totp/totp.ts'
import { codeAt, wrongCode } from '../harness/totp-app.ts'
import { accountOf } from './factors.ts'

// The package's types describe an ES module; what Node loads is its CommonJS form.
const scan = jsQR as unknown as typeof jsQR.default
/** RFC 6238, appendix B: the ASCII secret 12345678901234567890. */
const RFC_SECRET = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const RFC_VECTORS: [seconds: number, code: string][] = [
  [59, '94287082'],
  [1111111109, '07081804'],
  [1111111111, '14050471'],
  [1234567890, '89005924'],
  [2000000000, '69279037'],
  [20000000000, '65353130'],
]
const DEFAULTS: TotpOptions = { digits: 6, period: 30 * SECOND, window: 1, maxPerUser: 5, reshowQr: 'owner' }
const NOW = 1_800_000_010 * SECOND
const account = accountOf('account-1', { username: 'åsa', email: 'asa@example.test', emailVerified: true })

function contextAt(now: number): CeremonyContext {
  return { account, now, locale: 'en', request: { ip: '192.0.2.1', userAgent: 'test' } }
}

function bindingOf(record: TotpRecord, id = 'binding-1'): Binding {
  const identity = { id, accountId: account.id, type: 'totp', label: undefined }
  return { ...identity, record, version: 1, boundAt: 0, lastUsedAt: undefined }
}

function freshRecord(): TotpRecord {
  return { secret: newSecret(), digits: 6, period: 30 * SECOND, lastStep: 0 }
}

function verify(record: TotpRecord, code: string, options: { now?: number; totp?: Partial<TotpOptions> } = {}) {
  const totp = createTotp({ ...DEFAULTS, ...options.totp }, { serviceName: 'Example' })
  const bindings = [bindingOf(record)]
  return totp.verify.finish({ bindings, challenge: undefined, code, context: contextAt(options.now ?? NOW) })
}

function recordIn(finished: Finished): TotpRecord {
  assert.ok(finished.ok, JSON.stringify(finished))
  return finished.record as TotpRecord
}

describe('codes', () => {
  for (const [seconds, code] of RFC_VECTORS) {
    it(`D3: RFC 6238 appendix B, SHA-1, at ${seconds} s`, () => {
      const key: SharedKey = { secret: RFC_SECRET, digits: 8, period: 30 * SECOND }
      assert.ok(matcher(key, code)(stepAt(key, seconds * SECOND)))
      assert.equal(codeAt(RFC_SECRET, seconds * SECOND, { digits: 8 }), code)
    })
  }

  it('TO-1: a secret has 160 random bits', () => {
    const secrets = new Set(Array.from({ length: 1000 }, newSecret))
    assert.equal(secrets.size, 1000)
    for (const secret of secrets) assert.match(secret, /^[A-Z2-7]{32}$/)
  })
})

describe('verify', () => {
  it('TO-3: accepts the current step and one either side, and burns it', async () => {
    for (const offset of [-30, 0, 30]) {
      const record = freshRecord()
      const code = codeAt(record.secret, NOW + offset * SECOND)
      const moved = recordIn(await verify(record, code))
      assert.equal(moved.lastStep, stepAt(record, NOW + offset * SECOND))
      assert.deepEqual(await verify(moved, code), { ok: false, reason: 'replayed' })
    }
  })

  it('TO-3: refuses two steps either side; a window of 0 refuses one', async () => {
    for (const offset of [-60, 60]) {
      const record = freshRecord()
      const finished = await verify(record, codeAt(record.secret, NOW + offset * SECOND))
      assert.equal(finished.ok, false)
    }
    for (const offset of [-30, 30]) {
      const record = freshRecord()
      const code = codeAt(record.secret, NOW + offset * SECOND)
      const finished = await verify(record, code, { totp: { window: 0 } })
      assert.equal(finished.ok, false)
    }
  })

  it('TO-4: an earlier step than the last accepted one is refused too (CVE-2021-43177, CVE-2026-82470)', async () => {
    const record = freshRecord()
    const moved = recordIn(await verify(record, codeAt(record.secret, NOW)))
    const earlier = await verify(moved, codeAt(record.secret, NOW - 30 * SECOND))
    assert.deepEqual(earlier, { ok: false, reason: 'replayed' })
    recordIn(await verify(moved, codeAt(record.secret, NOW + 30 * SECOND)))
  })

  it('FA-8: a clock that goes back revives no code', async () => {
    const record = freshRecord()
    const code = codeAt(record.secret, NOW)
    const moved = recordIn(await verify(record, code))
    const now = NOW - 10 * MINUTE
    assert.deepEqual(await verify(moved, codeAt(record.secret, now), { now }), { ok: false, reason: 'replayed' })
  })

  it('TO-6: exactly N ASCII digits, spaces aside', async () => {
    const record = freshRecord()
    const code = codeAt(record.secret, NOW)
    recordIn(await verify(record, ` ${code.slice(0, 3)} ${code.slice(3)} `))
    const arabic = [...code].map((digit) => String.fromCodePoint(0x660 + Number(digit))).join('')
    const wrong = [
      '',
      code.slice(1),
      code.slice(0, 1),
      `${code}0`,
      `0${code}`,
      arabic,
      `${code}\0`,
      `+${code.slice(1)}`,
    ]
    for (const typed of [...wrong, '000x00', '1e5000', '-00001']) {
      assert.deepEqual(await verify(record, typed), { ok: false, reason: 'mismatch' }, JSON.stringify(typed))
    }
  })

  it('TO-2: eight digits and another period; a binding keeps those its app was told', async () => {
    const record = { ...freshRecord(), digits: 8 as const, period: 60 * SECOND }
    const code = codeAt(record.secret, NOW, { digits: 8, period: 60 * SECOND })
    const moved = recordIn(await verify(record, code))
    assert.equal(moved.lastStep, Math.floor(NOW / (60 * SECOND)))
  })

  it('D8: the answer names the app whose code it was', async () => {
    const totp = createTotp(DEFAULTS, { serviceName: 'Example' })
    const records = [freshRecord(), freshRecord(), freshRecord()]
    const bindings = records.map((record, index) => bindingOf(record, `binding-${index}`))
    for (const [index, record] of records.entries()) {
      const code = codeAt(record.secret, NOW)
      const finished = await totp.verify.finish({ bindings, challenge: undefined, code, context: contextAt(NOW) })
      assert.ok(finished.ok)
      assert.equal(finished.binding?.id, `binding-${index}`)
    }
  })

  it('FA-7: a record of another shape is a fault, never an absent factor', async () => {
    const broken = { secret: newSecret() } as unknown as TotpRecord
    await assert.rejects(async () => verify(broken, '000000'), /does not hold/)
  })
})

describe('clock hint', () => {
  it('D7: says by how many minutes the clocks differ, either way, and accepts nothing', async () => {
    for (const offset of [-HOUR, -10 * MINUTE, 10 * MINUTE, 12 * HOUR]) {
      const record = freshRecord()
      const finished = await verify(record, codeAt(record.secret, NOW + offset))
      assert.ok(!finished.ok)
      assert.equal(finished.reason, 'clock')
      assert.equal(finished.minutes, Math.abs(offset) / MINUTE)
    }
  })

  it('D7: beyond two hours it looks around each half hour alone, where wrong time zones are: every look helps a guesser', async () => {
    // Eight digits, so that a code of another time is not right here by chance.
    const record = { ...freshRecord(), digits: 8 as const }
    const reasonAt = async (offset: number): Promise<string> => {
      const finished = await verify(record, codeAt(record.secret, NOW + offset, { digits: 8 }))
      return finished.ok ? 'ok' : finished.reason
    }
    for (const offset of [2 * HOUR, 5 * HOUR + 3 * MINUTE, -9.5 * HOUR - 3 * MINUTE, DAY])
      assert.equal(await reasonAt(offset), 'clock', `${offset / MINUTE} minutes`)
    for (const offset of [
      2 * HOUR + 10 * MINUTE,
      5 * HOUR + 3.5 * MINUTE,
      -9.5 * HOUR - 3.5 * MINUTE,
      DAY + 30 * SECOND,
    ])
      assert.equal(await reasonAt(offset), 'mismatch', `${offset / MINUTE} minutes`)
  })

  it('D7: a code that fits no time of the day before or after is just wrong', async () => {
    const record = freshRecord()
    assert.deepEqual(await verify(record, wrongCode(record.secret, NOW)), { ok: false, reason: 'mismatch' })
    const far = await verify(record, codeAt(record.secret, NOW + 3 * DAY))
    assert.equal(far.ok, false)
  })

  it('D7: the hint is no promise to a guesser: a later code it has confirmed is never accepted', async () => {
    const record = freshRecord()
    const code = codeAt(record.secret, NOW + 10 * MINUTE)
    const hinted = await verify(record, code)
    assert.ok(!hinted.ok && hinted.recordOnRefusal !== undefined)
    const spoilt = hinted.recordOnRefusal.record as TotpRecord
    const now = NOW + 10 * MINUTE
    assert.deepEqual(await verify(spoilt, code, { now }), { ok: false, reason: 'replayed' })
    recordIn(await verify(spoilt, codeAt(record.secret, now + 30 * SECOND), { now }))
    const moved = recordIn(await verify(spoilt, codeAt(record.secret, NOW)))
    assert.deepEqual(await verify(moved, code, { now }), { ok: false, reason: 'replayed' })
  })
})

describe('bind', () => {
  const totp = createTotp(DEFAULTS, { serviceName: 'Example: one' })

  async function begin(): Promise<SharedKey> {
    assert.ok(totp.bind)
    const begun = await totp.bind.begin([], contextAt(NOW))
    assert.ok(begun.ok)
    return begun.challenge as SharedKey
  }

  it('D1: the picture scans to the key the text shows, for the right account of the right service', async () => {
    const challenge = await begin()
    const shown = await totp.bind?.show(challenge, contextAt(NOW))
    assert.equal(String(shown?.secret).replaceAll(' ', ''), challenge.secret)
    assert.match(String(shown?.secret), /^([A-Z2-7]{4} ){7}[A-Z2-7]{4}$/)
    const picture = PNG.sync.read(Buffer.from(String(shown?.qr).replace('data:image/png;base64,', ''), 'base64'))
    const scanned = new URL(scan(new Uint8ClampedArray(picture.data), picture.width, picture.height)?.data ?? 'none:')
    assert.equal(scanned.protocol, 'otpauth:')
    assert.equal(scanned.host, 'totp')
    assert.match(decodeURIComponent(scanned.pathname), /^\/Example: ?one:åsa$/)
    assert.equal(scanned.searchParams.get('secret'), challenge.secret)
    assert.equal(scanned.searchParams.get('issuer'), 'Example: one')
    // Four white modules all round, six pixels each.
    const white = (x: number, y: number): boolean => picture.data[(y * picture.width + x) * 4] === 255
    for (let at = 0; at < picture.width; at++) assert.ok(white(at, 23) && white(23, at), 'quiet zone')
  })

  it('TO-7: a right code binds with its step burned', async () => {
    const challenge = await begin()
    const code = codeAt(challenge.secret, NOW)
    const finished = await totp.bind?.finish({ bindings: [], challenge, code, context: contextAt(NOW) })
    assert.ok(finished)
    const record = recordIn(finished)
    assert.equal(record.secret, challenge.secret)
    assert.deepEqual(await verify(record, code), { ok: false, reason: 'replayed' })
  })

  it('D7: a code of another time says so and binds nothing', async () => {
    const challenge = await begin()
    const code = codeAt(challenge.secret, NOW - 42 * MINUTE)
    const finished = await totp.bind?.finish({ bindings: [], challenge, code, context: contextAt(NOW) })
    assert.deepEqual(finished, { ok: false, reason: 'clock', minutes: 42 })
  })

  it('D6: the picture is shown again only where the configuration lets its owner see it', async () => {
    const record = freshRecord()
    const shown = await totp.reshow?.(bindingOf(record), contextAt(NOW))
    assert.equal(String(shown?.secret).replaceAll(' ', ''), record.secret)
    assert.equal(createTotp({ ...DEFAULTS, reshowQr: 'never' }, { serviceName: 'Example' }).reshow, undefined)
  })
})
