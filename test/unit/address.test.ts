import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseUsername } from '../../src/accounts/username.ts'
import { parseAddress } from '../../src/mail/address.ts'
import { RUNS } from '../harness/length.ts'

const LONG_DOMAIN = `${'d'.repeat(60)}.${'d'.repeat(60)}.${'d'.repeat(60)}.test`

describe('an address is exactly one addr-spec (IN-1)', () => {
  const plain = [
    'alice@example.com',
    'Alice.Liddell+codes@Mail.Example.com',
    "o'hara_{x}|~!#$%&*/=?^`-@example.com",
    '0@0.example',
    'alice@localhost',
    'alice@xn--bcher-kva.example',
    `${'a'.repeat(64)}@${LONG_DOMAIN}`,
  ]
  for (const text of plain) {
    test(`taken as it was typed: ${text}`, () => assert.equal(parseAddress(text), text))
  }

  test('a domain beyond ASCII goes out in its ASCII form', () => {
    assert.equal(parseAddress('alice@bücher.example'), 'alice@xn--bcher-kva.example')
    assert.equal(parseAddress('alice@räksmörgås.test'), 'alice@xn--rksmrgs-5wao1o.test')
    assert.equal(parseAddress('alice@例え。テスト'), 'alice@xn--r8jz45g.xn--zckzah')
  })

  const refused: Record<string, string[]> = {
    'two addresses (X13)': [
      'a@x.test, evil@y.test',
      'a@x.test,evil@y.test',
      'a@x.test;evil@y.test',
      'a@x.test evil@y.test',
      'a@x.test@y.test',
    ],
    'a header behind it (X13)': [
      'a@x.test\r\nBcc: evil@y.test',
      'a@x.test\nBcc: evil@y.test',
      'a@x.test\r',
      'a@x.test\u2028Bcc: evil@y.test',
      'a\r\n@x.test',
    ],
    'a name, group, comment, route or quotes': [
      '<a@x.test>',
      'A <a@x.test>',
      'a@x.test <evil@y.test>',
      'friends:a@x.test;',
      'a(comment)@x.test',
      'a@x.test(comment)',
      '@y.test:a@x.test',
      '"a"@x.test',
      '"a@x.test"@y.test',
      'a\\@x.test',
    ],
    'spaces and what cannot be seen': [
      ' a@x.test',
      'a@x.test ',
      'a @x.test',
      'a@ x.test',
      'a@x.test\0',
      'a\0@x.test',
      'a@x.\u200btest',
      'a@x\u00ad.test',
      'a@\u202ex.test',
      'a\u00a0@x.test',
      'a\u007f@x.test',
      'a\ud800@x.test',
    ],
    'a local part that is no dot-atom, or beyond ASCII': [
      '@x.test',
      '.a@x.test',
      'a.@x.test',
      'a..b@x.test',
      'ä@x.test',
      'ａ@x.test',
      `${'a'.repeat(65)}@x.test`,
    ],
    'a host that is no name': [
      'a',
      '',
      '@',
      'a@',
      'a@.',
      'a@x..test',
      'a@.x.test',
      'a@x.test.',
      'a@-x.test',
      'a@x-.test',
      'a@x_y.test',
      'a@x.test:25',
      'a@x.test/y',
      'a@x%2etest',
      `a@${'d'.repeat(64)}.test`,
    ],
    'an address of a machine': [
      'a@[192.0.2.1]',
      'a@[IPv6:2001:db8::1]',
      'a@192.0.2.1',
      'a@0x7f.1',
      'a@2130706433',
      'a@x.0xff',
      'a@１２７.0.0.1',
    ],
    'too long': [`a@${LONG_DOMAIN}.${'e'.repeat(70)}.test`, `a@${'é.'.repeat(40)}test`],
  }
  for (const [what, texts] of Object.entries(refused)) {
    for (const text of texts) {
      test(`refused, ${what}: ${JSON.stringify(text)}`, () => assert.equal(parseAddress(text), undefined))
    }
  }

  test('whatever is typed, what comes out has one @ and nothing that could start something else', () => {
    const spice = fc.constantFrom(
      '@',
      '.',
      ',',
      ';',
      '<',
      '>',
      '"',
      '(',
      ')',
      ':',
      '\\',
      '\r',
      '\n',
      '\0',
      ' ',
      '[',
      ']',
    )
    const unit = fc.oneof({ weight: 4, arbitrary: fc.constantFrom('a', 'b', 'x', '1', 'ü', '。') }, spice, fc.string())
    const address = fc.array(unit, { maxLength: 12 }).map((units) => units.join(''))
    const tail = fc.constantFrom('', '@x.test', '@bücher.test')
    fc.assert(
      fc.property(address, tail, (head, end) => {
        const parsed = parseAddress(head + end)
        if (parsed === undefined) return
        assert.match(parsed, /^[!#-'*+\-./0-9=?A-Z^-~]{1,64}@[A-Za-z0-9.-]+$/)
        assert.equal(parseAddress(parsed), parsed)
      }),
      RUNS,
    )
  })

  test('a megabyte of anything is refused at once', () => {
    const start = performance.now()
    for (const unit of ['a', '@', '.', 'a.', '-', 'é', '\\']) parseAddress(unit.repeat(1_000_000))
    for (const unit of ['a', '.', 'a.', '-', 'é']) parseAddress(`${unit.repeat(100)}@${unit.repeat(100)}`)
    assert.ok(performance.now() - start < 500)
  })
})

describe('a name is what can be typed and shown', () => {
  test('without the space around it, in any script, up to 128 characters', () => {
    assert.equal(parseUsername('  Änna Ⅳ 李 '), 'Änna Ⅳ 李')
    assert.equal(parseUsername('\u{1F469}'.repeat(128)), '\u{1F469}'.repeat(128))
    assert.equal(parseUsername('a'.repeat(129)), undefined)
  })

  for (const [name, text] of [
    ['nothing', ''],
    ['space alone', ' \t '],
    ['a line break', 'an\nna'],
    ['a sign that turns the text around', 'an\u{202E}na'],
    ['a sign without width', 'an\u{200B}na'],
  ] as const) {
    test(`refused: ${name}`, () => assert.equal(parseUsername(text), undefined))
  }
})
