import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { passwordProblem, personalWords, samePassword } from '../../src/accounts/password-rules.ts'
import { shortestPassword } from '../../src/config/password-length.ts'

const ANNA = { username: 'Anna-Bell', email: 'anna.berg@example.com', name: 'Ännä Lind', serviceName: 'Example Corp' }
const problem = (password: string, personal: readonly string[] = [], minLength = 8) =>
  passwordProblem(password, { minLength, personal })

describe('a new password', () => {
  test('counts in code points of the normal form, up to a maximum (PW-1, PW-2, PW-4)', () => {
    const pairs = '\u{1F469}\u{1F468}'
    assert.equal(problem(pairs.repeat(3)), 'too-short')
    assert.equal(problem(pairs.repeat(4)), undefined)
    assert.equal(problem('a\u{30A}o'.repeat(3)), 'too-short', 'an accent is no character of its own')
    assert.equal(problem('', []), 'too-short')
    assert.equal(problem('xyzw'.repeat(64)), undefined)
    assert.equal(problem(`${'xyzw'.repeat(64)}x`), 'too-long')
    assert.equal(problem('\u{1F469}\u{1F468}'.repeat(128)), undefined, '256 code points in 1024 bytes')
    assert.equal(problem('x'.repeat(1_000_000)), 'too-long')
    assert.equal(problem('fourteen chars', [], 15), 'too-short')
    assert.equal(problem('fifteen chars..', [], 15), undefined)
  })

  test('is typed alike the second time, however a keyboard spells an accent (PW-4)', () => {
    assert.equal(samePassword('caf\u{E9} au lait', 'cafe\u{301} au lait'), true)
    assert.equal(samePassword('caf\u{E9} au lait', 'cafe au lait'), false)
  })

  test('needs no digits, capitals or signs (PW-3)', () => {
    for (const plain of ['lowercaseonly', '7364528190', 'with spaces', 'UPPERCASEONLY', '-)#+*;,(', 'åäöåäöæø ok'])
      assert.equal(problem(plain), undefined, plain)
  })

  test('is none of those that everybody tries first, nor made of one (PW-5)', () => {
    const guesses = [
      'password',
      'PASSWORD',
      'P@ssw0rd1!',
      'p.a.s.s.w.o.r.d',
      'pässwörd',
      '12345678901',
      'qwertyuiop',
      'Welcome2024!!!!',
      '!!2024-sunshine',
      '$unsh1ne',
      '8aseba11',
      '8aseba!!',
      '1ucif3r!',
      'password123456789',
      'passwordpassword',
      'sunshinesunshine',
      'monkeymonkey!',
      '123412341234123',
      'aaaaaaaaaaaaaaaa',
      'abcdefghijklmnop',
      '9876543210',
      '        ',
    ]
    for (const guess of guesses) assert.equal(problem(guess), 'common', guess)
  })

  test('may hold a common word among enough else', () => {
    const fine = [
      '48273-dog-99182',
      'sunshine over the lake',
      'tovika-lumebo-redafi-42',
      'my password is long',
      'xk9dog42!mvp',
    ]
    for (const password of fine) assert.equal(problem(password), undefined, password)
  })

  test('is compared with thousands of known ones at once', () => {
    const start = performance.now()
    for (let round = 0; round < 200; round += 1) problem(`${round}${'x1-'.repeat(84)}`)
    const took = (performance.now() - start) / 200
    assert.ok(took < 20, `${took} ms for one password`)
  })

  test('is not the name of the user, their address or the service, nor made of one (PW-5)', () => {
    const words = personalWords(ANNA)
    const guesses = [
      'anna-bell',
      'ANNABELL',
      'annabell1984',
      '1AnnaBell!!',
      'Ann4-b3ll',
      'anna.berg@example.com',
      'anna.berg',
      'Anna.Berg2024!',
      'annalind',
      'lind-2024!!',
      'Ännä Lind',
      'examplecorp',
      'Example Corp 2025',
      '3x4mpl3-c0rp',
    ]
    for (const guess of guesses) assert.equal(problem(guess, words), 'personal', guess)
    for (const fine of ['annabell rings twice', 'exemplary corps', '73645281'])
      assert.equal(problem(fine, words), undefined, fine)
  })

  test('names without letters, and names that are missing, forbid nothing else', () => {
    const words = personalWords({ username: '----------', serviceName: '' })
    assert.deepEqual(words, ['----------'])
    assert.equal(problem('----------', words), 'personal')
    for (const fine of ['-)#+*;,(', 'to somebody']) assert.equal(problem(fine, words), undefined)
    assert.equal(problem('20261234', ['20261234']), 'personal')
    assert.equal(problem('7364528190', ['20261234']), undefined)
  })
})

describe('the shortest password', () => {
  const policy = { secondFactor: 'required', grace: 'none', rules: [] } as const
  const least = (changes: Partial<Parameters<typeof shortestPassword>[0]>, minLength = 8) =>
    shortestPassword({ ...policy, ...changes }, minLength)

  test('is the configured one where everybody needs a second factor', () => {
    assert.equal(least({}), 8)
    assert.equal(least({}, 12), 12)
    assert.equal(least({ rules: [{ secondFactor: 'required' }, { require: 'mfa' }] }), 8)
  })

  test('is 15 where the password alone may get in: by default, by a rule, for a while (PW-1)', () => {
    assert.equal(least({ secondFactor: 'if-bound' }), 15)
    assert.equal(least({ secondFactor: 'off' }), 15)
    assert.equal(least({ rules: [{}, { secondFactor: 'off' }] }), 15)
    assert.equal(least({ rules: [{ secondFactor: 'if-bound' }] }), 15)
    assert.equal(least({ grace: { signIns: 3 } }), 15)
    assert.equal(least({ rules: [{ grace: { within: 1000 } }] }), 15)
    assert.equal(least({ secondFactor: 'off' }, 20), 20)
    assert.equal(
      least({ secondFactor: 'if-bound', rules: [{ require: 'mfa' }] }),
      15,
      'a rule covers only whom it matches',
    )
  })

  test('is not changed by rules that deny, or that have a floor above the password', () => {
    assert.equal(least({ rules: [{ secondFactor: 'off', deny: true }] }), 8)
    assert.equal(least({ rules: [{ secondFactor: 'off', require: '2sv' }] }), 8)
    assert.equal(least({ rules: [{ secondFactor: 'off', require: 'pwd' }] }), 15)
  })
})
