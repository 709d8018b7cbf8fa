import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  createSealer,
  deriveKey,
  equalSecrets,
  hmac,
  randomDigits,
  randomToken,
  sha256,
} from '../../src/kernel/secrets.ts'
import { RUNS } from '../harness/length.ts'

const key = Buffer.alloc(32, 7)
const text = fc.string({ unit: 'binary', maxLength: 200 })

test('KM-5: what was sealed is opened with the same key in the same context', () => {
  const sealer = createSealer(key)
  fc.assert(
    fc.property(text, text, (plain, context) => sealer.open(sealer.seal(plain, context), context) === plain),
    RUNS,
  )
})

test('KM-5: another context does not open it', () => {
  const sealer = createSealer(key)
  fc.assert(
    fc.property(text, text, text, (plain, context, other) => {
      fc.pre(context !== other)
      assert.throws(() => sealer.open(sealer.seal(plain, context), other))
    }),
    RUNS,
  )
})

test('KM-5: another key does not open it', () => {
  const sealed = createSealer(key).seal('plain', 'row')
  assert.throws(() => createSealer(Buffer.alloc(32, 8)).open(sealed, 'row'))
})

test('KM-5: one changed bit anywhere, or a shorter text, does not open', () => {
  const sealer = createSealer(key)
  const sealed = Buffer.from(sealer.seal('plain', 'row'), 'base64')
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Buffer.from(sealed)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.throws(() => sealer.open(changed.toString('base64'), 'row'), `bit ${bit}`)
  }
  for (let length = 0; length < sealed.length; length++) {
    assert.throws(() => sealer.open(sealed.subarray(0, length).toString('base64'), 'row'), `length ${length}`)
  }
})

test('KM-5: the same text sealed twice gives two texts, and neither shows it', () => {
  const sealer = createSealer(key)
  const sealed = [sealer.seal('alice@example.com', 'row'), sealer.seal('alice@example.com', 'row')]
  assert.equal(new Set(sealed).size, 2)
  for (const one of sealed) assert.ok(!Buffer.from(one, 'base64').includes('alice'))
})

test('each purpose has a key of its own, the same in every process', () => {
  const purposes = ['cookies', 'state', 'csrf'].map((label) => deriveKey(key, label))
  assert.equal(new Set(purposes.map(String)).size, 3)
  for (const purpose of purposes) assert.equal(purpose.length, 32)
  assert.deepEqual(deriveKey(key, 'state'), purposes[1])
  assert.notDeepEqual(deriveKey(Buffer.alloc(32, 8), 'state'), purposes[1])
})

test('hmac: parts cannot be shifted into each other', () => {
  const parts = fc.array(text, { maxLength: 4 })
  fc.assert(
    fc.property(parts, parts, (left, right) => {
      const same = left.length === right.length && left.every((part, index) => part === right[index])
      assert.equal(hmac(key, ...left) === hmac(key, ...right), same)
    }),
    {
      ...RUNS,
      examples: [
        [
          ['ab', 'c'],
          ['a', 'bc'],
        ],
        [['ab'], ['a', 'b']],
        [['2:a', ''], ['2:a']],
        [[], ['']],
      ],
    },
  )
})

test('hmac depends on its key', () => {
  assert.notEqual(hmac(key, 'text'), hmac(Buffer.alloc(32, 8), 'text'))
})

test('KM-7: a token has 256 bits, is safe in a URL and is not given twice', () => {
  const tokens = Array.from({ length: 1000 }, () => randomToken())
  for (const token of tokens) assert.match(token, /^[\w-]{43}$/)
  assert.equal(new Set(tokens).size, tokens.length)
  assert.equal(randomToken(16).length, 22)
})

test('EM-2: a code has so many digits, leading zeros too, and each first digit is as likely as the others', () => {
  const DRAWS = 20_000
  const counts = Array.from({ length: 10 }, () => 0)
  for (let draw = 0; draw < DRAWS; draw++) {
    const code = randomDigits(6)
    assert.match(code, /^\d{6}$/)
    counts[Number(code[0])] = (counts[Number(code[0])] ?? 0) + 1
  }
  // Six standard deviations: one run in fifty million is wrong.
  for (const [digit, count] of counts.entries()) assert.ok(Math.abs(count - DRAWS / 10) < 255, `${digit}: ${count}`)
})

test('sha256 is the known function', () => {
  // FIPS 180-4, the example "abc".
  const known = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
  assert.equal(Buffer.from(sha256('abc'), 'base64url').toString('hex'), known)
})

test('equalSecrets: equal texts only, also with other lengths and multi-byte characters', () => {
  assert.equal(equalSecrets('secret', 'secret'), true)
  assert.equal(equalSecrets('', ''), true)
  assert.equal(equalSecrets('secret', 'secreT'), false)
  assert.equal(equalSecrets('secret', 'secret '), false)
  assert.equal(equalSecrets('\u00e9', 'e'), false)
  assert.equal(equalSecrets('\u00e9', 'ab'), false)
})
