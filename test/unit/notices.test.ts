import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createNotices, NOTICE_KINDS, type NoticeFacts, type NoticeKind } from '../../src/mail/notices.ts'
import { composeMail, type RenderedMail } from '../../src/mail/rendered-mail.ts'
import { KINDS } from '../../src/mfa/factors/registry.ts'
import { createRenderer } from '../../src/views/renderer.ts'
import { createTexts } from '../../src/views/texts.ts'

const ACCOUNT = 'https://id.example.com/account'
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
const GIVEN = { ip: '192.0.2.7', browser: FIREFOX, subject: 'Work phone', factor: 'totp' }
const texts = createTexts({ languages: ['en', 'sv'] })
const renderer = createRenderer({ texts })
const settings = { mail: true, serviceName: 'Example', locale: 'en', accountUrl: ACCOUNT }
const notices = createNotices(settings)
const time = Date.parse('2026-03-04T13:05:06Z')
const anna = { id: '1', email: 'anna@example.test', locale: undefined }

function letter(kind: NoticeKind, facts: Partial<NoticeFacts> = {}, locale?: string): RenderedMail {
  const [mail] = notices.of(kind, { ...anna, locale }, { time, ...facts })
  assert.ok(mail)
  // As it comes out of the outbox.
  return composeMail(JSON.parse(JSON.stringify(mail)), { renderer, texts })
}

function assertReadable(part: string): void {
  assert.doesNotMatch(part, /mail\.|methods\.|undefined|\{\{|<%|\n\n\n|: *$/m)
  assert.ok(!/^\d{6,8}$/m.test(part), 'no code')
}

describe('letters about an account (FB-8, G4)', () => {
  for (const kind of NOTICE_KINDS) {
    for (const locale of ['en', 'sv']) {
      test(`${kind}: says what is known, in ${locale}, and never a raw key or an empty fact`, () => {
        const known = [GIVEN.ip, 'Firefox', 'Linux', GIVEN.subject, texts.t(locale, 'methods.totp.title')]
        for (const facts of [{}, GIVEN]) {
          const { subject, text, html } = letter(kind, facts, locale)
          for (const part of [subject, text, html]) assertReadable(part)
          assert.ok(subject.includes('Example'), subject)
          for (const part of [text, html]) {
            assert.ok(part.includes(texts.dateTime(locale, time)))
            for (const fact of known) assert.equal(part.includes(fact), facts === GIVEN, `${fact} in ${part}`)
          }
        }
      })
    }

    test(`${kind}: the only link leads to the account page, which asks who is there`, () => {
      const { text, html } = letter(kind)
      const expected = kind === 'account-disabled' ? [] : [ACCOUNT]
      assert.deepEqual(text.match(/https?:\S+/g) ?? [], expected)
      assert.deepEqual(
        [...html.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, link]) => link),
        expected,
      )
    })
  }

  test('every kind of second factor has words', () => {
    for (const { type } of KINDS) {
      for (const locale of ['en', 'sv']) assertReadable(letter('factor-locked', { factor: type }, locale).text)
    }
  })

  test('IN-2: a name that its owner chose is text on one short line', () => {
    const { text, html } = letter('factor-added', { subject: `<b>x</b>\r\n123456\r\n${'y'.repeat(4000)}` })
    assert.ok(html.includes('&lt;b&gt;x&lt;/b&gt; 123456'))
    assert.doesNotMatch(html, /<b>/)
    assert.doesNotMatch(text, /^123456/m)
    assert.ok(text.length < 2000)
  })
})

describe('to whom', () => {
  const to = (of = notices, account: { email: string | undefined } = anna, also?: string): string[] =>
    of.of('address-changed', { ...account, locale: undefined }, { time, also }).map((mail) => mail.to)

  test('the new address and the old one, each once', () => {
    assert.deepEqual(to(notices, anna, 'old@example.test'), ['anna@example.test', 'old@example.test'])
    assert.deepEqual(to(notices, anna, 'anna@example.test'), ['anna@example.test'])
    assert.deepEqual(to(notices, { email: undefined }, 'old@example.test'), ['old@example.test'])
  })

  test('nobody without an address, nobody without a mail server', () => {
    assert.deepEqual(to(notices, { email: undefined }), [])
    assert.deepEqual(to(createNotices({ ...settings, mail: false })), [])
  })

  test('the language is the account’s, else the default; the id goes along for the audit', () => {
    const [mail] = createNotices({ ...settings, locale: 'sv' }).of('factor-added', anna, { time })
    assert.deepEqual([mail?.locale, mail?.account], ['sv', '1'])
    assert.equal(notices.of('factor-added', { ...anna, locale: 'fi' }, { time })[0]?.locale, 'fi')
  })
})
