import assert from 'node:assert/strict'
import { test } from 'node:test'
import { oneLine } from '../../src/mail/one-line.ts'
import { browserOf } from '../../src/mail/user-agent.ts'

const WEBKIT = 'AppleWebKit/537.36 (KHTML, like Gecko)'
const known: Record<string, string> = {
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36`]: 'Chrome on Windows',
  [`Mozilla/5.0 (Windows NT 10.0; Win64; x64) ${WEBKIT} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`]:
    'Edge on Windows',
  [`Mozilla/5.0 (Linux; Android 10; K) ${WEBKIT} Chrome/140.0.0.0 Mobile Safari/537.36`]: 'Chrome on Android',
  [`Mozilla/5.0 (X11; Linux x86_64) ${WEBKIT} HeadlessChrome/140.0.0.0 Safari/537.36`]: 'Chrome on Linux',
  'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0': 'Firefox on Linux',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0': 'Firefox on macOS',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15':
    'Safari on macOS',
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1':
    'Safari on iOS',
  'Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/140.0 Mobile/15E148 Safari/604.1':
    'Chrome on iOS',
  'Firefox/1': 'Firefox on undefined',
}
for (const [header, name] of Object.entries(known)) {
  test(`${name}: ${header}`, () => {
    const found = browserOf(header)
    assert.equal(`${found?.browser} on ${found?.system}`, name)
  })
}

test('what is no browser we know has no name, and nothing of a header is ever repeated', () => {
  for (const header of ['', 'curl/8.0', 'Windows', `${'x'.repeat(600)}Chrome/1`])
    assert.equal(browserOf(header), undefined)
  assert.deepEqual(browserOf('<b>Call 555-0100</b> Chrome/1 (Android)'), { browser: 'Chrome', system: 'Android' })
})

test('IN-2: one line, without what hides or turns text, cut by characters and not inside one', () => {
  assert.equal(oneLine(' a\r\nBcc: b\u2028c\u0000\u202ed\u200b\te ', 50), 'a Bcc: b c d e')
  assert.equal(oneLine('abcde', 5), 'abcde')
  assert.equal(oneLine('abcdef', 5), 'abcd…')
  assert.equal(oneLine('😀😀😀', 2), '😀…')
})
