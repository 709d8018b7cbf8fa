import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { SECOND } from '../../src/kernel/clock.ts'
import { ConfigError } from '../../src/kernel/errors.ts'
import type { Log } from '../../src/kernel/log.ts'
import type { Mail } from '../../src/kernel/mail.ts'
import { MailError, type Mailer, MailRefusedError } from '../../src/mail/mailer.ts'
import { createSmtpMailer } from '../../src/mail/smtp-mailer.ts'
import { createRenderer } from '../../src/views/renderer.ts'
import { createTexts } from '../../src/views/texts.ts'
import { type SmtpOptions, type SmtpService, startSmtp } from '../harness/smtp.ts'

const FROM = { name: 'Example', address: 'id@example.com' }
const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36'
const texts = createTexts({ languages: ['en', 'sv'] })
const renderer = createRenderer({ texts })
const open: { close(): void }[] = []
let lines: string[] = []

afterEach(() => {
  for (const mailer of open.splice(0)) mailer.close()
  lines = []
})

function log(): Log {
  const write = (...given: unknown[]): void => void lines.push(inspect(given, { depth: 9 }))
  return { debug: write, info: write, warn: write, error: write }
}

function mailerFor(smtp: string, from = FROM): Mailer {
  const mailer = createSmtpMailer({ smtp, from }, { renderer, texts, log: log() })
  open.push(mailer)
  return mailer
}

function codeMail(change: Partial<Omit<Mail, 'data'>> & { data?: Mail['data'] } = {}): Mail {
  const time = Date.parse('2026-03-04T13:05:06Z')
  const data = { code: '048213', minutes: 5, time, browser: CHROME, ip: '192.0.2.7', service: 'Example' }
  return { to: 'alice@example.com', template: 'code', locale: 'en', ...change, data: { ...data, ...change.data } }
}

/** Runs to its failure, which must come within `limit` ms. */
async function failure(work: Promise<unknown>, limit: number): Promise<MailError> {
  const done = work.then(
    () => 'nothing failed',
    (reason: unknown) => reason,
  )
  const deadline = new AbortController()
  const late = pause(limit, `nothing within ${limit} ms`, { signal: deadline.signal })
  const error: unknown = await Promise.race([done, late])
  deadline.abort()
  assert.ok(error instanceof MailError, inspect(error))
  assert.ok(error.cause instanceof Error)
  return error
}

describe('a code by mail (C8)', () => {
  let smtp: SmtpService
  before(async () => {
    smtp = await startSmtp()
  })
  beforeEach(() => smtp.clear())
  after(() => smtp.stop())

  async function sent(mail: Mail) {
    await mailerFor(smtp.url).send(mail)
    const [received, ...others] = smtp.messages
    assert.ok(received !== undefined)
    assert.deepEqual(others, [])
    return received
  }

  test('names the service, the time in UTC, the browser and the address; the code stands alone on a line', async () => {
    const mail = await sent(codeMail())
    assert.equal(mail.subject, 'Your sign-in code for Example')
    assert.match(mail.text, /^048213$/m)
    for (const part of [mail.text, mail.html]) {
      for (const fact of ['048213', 'Example', 'Chrome on Windows', '192.0.2.7', 'March 4, 2026', 'UTC', '5 minutes']) {
        assert.ok(part.includes(fact), `${fact} is missing in ${part}`)
      }
      assert.match(part, /Not you\?/)
      assert.ok(!part.includes('Mozilla'))
    }
    assert.equal(smtp.codeFor('Alice@example.com'), '048213')
  })

  test('in Swedish for who reads Swedish, in the first language for who reads another', async () => {
    const swedish = await sent(codeMail({ locale: 'sv-SE' }))
    assert.equal(swedish.subject, 'Din inloggningskod till Example')
    assert.match(swedish.text, /^048213$/m)
    for (const fact of ['Chrome på Windows', '4 mars 2026', 'UTC', '5 minuter', 'Var det inte du?']) {
      assert.ok(swedish.text.includes(fact), `${fact} is missing in ${swedish.text}`)
      assert.ok(swedish.html.includes(fact), `${fact} is missing in ${swedish.html}`)
    }
    assert.match(swedish.html, /<html lang="sv">/)
    assert.equal(swedish.headers.get('content-language'), 'sv')
    smtp.clear()
    assert.equal((await sent(codeMail({ locale: 'xx' }))).subject, 'Your sign-in code for Example')
  })

  test('EM-8, EM-10: no code in the subject or another header, no link anywhere', async () => {
    const mail = await sent(codeMail())
    const head = mail.raw.slice(0, mail.raw.indexOf('\r\n\r\n'))
    assert.ok(!head.includes('048213'))
    for (const part of [mail.text, mail.html]) assert.doesNotMatch(part, /https?:|href|<a[\s>]|<img|<form|<script/i)
  })

  test('says that a machine wrote it, when, and under an id of the sender’s domain', async () => {
    const mail = await sent(codeMail())
    assert.equal(mail.headers.get('auto-submitted'), 'auto-generated')
    assert.match(mail.headers.get('message-id') ?? '', /^<[\w-]{22}@example\.com>$/)
    smtp.clear()
    const again = await sent({ ...codeMail(), id: '019a-b7' })
    assert.equal(again.headers.get('message-id'), '<019a-b7@example.com>')
    assert.ok(Math.abs(Date.parse(mail.headers.get('date') ?? '') - Date.now()) < 60 * SECOND)
    assert.match(mail.headers.get('from') ?? '', /^"?Example"? <id@example\.com>$/)
    assert.equal(mail.headers.get('to'), 'alice@example.com')
    assert.equal(mail.from, 'id@example.com')
    assert.deepEqual(mail.to, ['alice@example.com'])
  })

  test('IN-2: what comes from outside is escaped in HTML, as it is in text, and never more than one line', async () => {
    const service = `<b>A&B</b> "C"\r\n999999\r\n.`
    const ip = '<script>alert(1)</script>\n888888'
    const mail = await sent(codeMail({ data: { service, ip, browser: '<img src=x>' } }))
    assert.equal(mail.subject, 'Your sign-in code for <b>A&B</b> "C" 999999 .')
    assert.deepEqual(mail.text.match(/^\d{6,8}$/gm), ['048213'])
    assert.ok(mail.text.includes('<b>A&B</b> "C" 999999 .'))
    assert.ok(mail.html.includes('&lt;b&gt;A&amp;B&lt;/b&gt;'))
    assert.doesNotMatch(mail.html, /<b>|<script|<img/)
    assert.match(mail.text, /unknown browser/)
  })

  test('IN-2: a service name cannot add a header, and a long one is cut', async () => {
    const mail = await sent(codeMail({ data: { service: `X\r\nBcc: evil@y.test\r\n${'y'.repeat(4000)}` } }))
    assert.deepEqual(mail.to, ['alice@example.com'])
    assert.equal(mail.headers.get('bcc'), undefined)
    assert.ok(mail.subject.length <= 150)
    assert.ok(mail.subject.endsWith('…'))
  })

  test('the sender’s name is one short line too', async () => {
    const name = `Exämple, Inc. <x@y.test>\r\nBcc: evil@y.test ${'y'.repeat(4000)}`
    await mailerFor(smtp.url, { ...FROM, name }).send(codeMail())
    const [mail] = smtp.messages
    assert.deepEqual(mail?.to, ['alice@example.com'])
    assert.equal(mail?.from, 'id@example.com')
    assert.equal(mail?.headers.get('bcc'), undefined)
    assert.ok((mail?.headers.get('from') ?? '').length < 400)
  })

  test('the notice that a remembered browser’s cookie turned up elsewhere, in both languages', async () => {
    const notice = codeMail({ data: { kind: 'device-copied', code: undefined } })
    notice.template = 'notice'
    const english = await sent(notice)
    assert.match(english.subject, /remembered browser.*Example/)
    for (const fact of ['Chrome on Windows', '192.0.2.7', 'March 4, 2026', 'UTC', 'change your password']) {
      assert.ok(english.text.includes(fact), `${fact} is missing in ${english.text}`)
      assert.ok(english.html.includes(fact), `${fact} is missing in ${english.html}`)
    }
    smtp.clear()
    const swedish = await sent({ ...notice, locale: 'sv' })
    assert.match(swedish.subject, /ihågkommen webbläsare.*Example/)
    assert.match(swedish.text, /byt lösenord/)
  })

  const injections = [
    'a@x.test, evil@y.test',
    'a@x.test,evil@y.test',
    'a@x.test\r\nBcc: evil@y.test',
    'a@x.test\nBcc: evil@y.test',
    'a@x.test>\r\nRCPT TO:<evil@y.test',
    'A <a@x.test>',
    '"a@x.test, evil"@y.test',
    'a@[127.0.0.1]',
    '',
  ]
  for (const to of injections) {
    test(`X13, IN-1: nothing is sent, nobody is even called, for ${JSON.stringify(to)}`, async () => {
      const called = smtp.connections
      await failure(mailerFor(smtp.url).send(codeMail({ to })), SECOND)
      assert.equal(smtp.connections, called)
      assert.deepEqual(smtp.messages, [])
    })
  }

  test('IN-1: every character an address may have reaches the server as one RCPT TO, unchanged', async () => {
    for (const to of ["o'hara_{x}|~!#$%&*/=?^`-+.y@mail.example.com", `${'a'.repeat(64)}@b.test`, 'alice@localhost']) {
      smtp.clear()
      assert.deepEqual((await sent(codeMail({ to }))).to, [to])
    }
    smtp.clear()
    const { to, headers } = await sent(codeMail({ to: 'alice@bücher.example' }))
    assert.equal(to.length, 1)
    assert.equal(headers.get('to'), 'alice@xn--bcher-kva.example')
  })

  test('an unknown template is a bug of ours, not a failure of the mail', async () => {
    await assert.rejects(mailerFor(smtp.url).send(codeMail({ template: 'nothing' })), (error) => {
      return !(error instanceof MailError)
    })
  })
})

describe('a mail server that does not take the mail (EM-11)', () => {
  let smtp: SmtpService
  beforeEach(async () => {
    smtp = await startSmtp()
  })
  afterEach(() => smtp.stop())

  test('down: fails at once, and works again when it is back', async () => {
    const mailer = mailerFor(smtp.url)
    await mailer.send(codeMail())
    await smtp.stop()
    const { cause } = await failure(mailer.send(codeMail()), 5 * SECOND)
    assert.match(inspect(cause), /ECONN|ESOCKET/)
    await failure(mailer.check(), 5 * SECOND)
    await smtp.start()
    await mailer.check()
    await mailer.send(codeMail())
    assert.equal(smtp.messages.length, 2)
  })

  test('restarted between two mails: the second one does not notice', async () => {
    const mailer = mailerFor(smtp.url)
    await mailer.send(codeMail())
    await smtp.stop()
    await smtp.start()
    await mailer.send(codeMail())
    assert.equal(smtp.messages.length, 2)
  })

  test('refuses the connection', async () => {
    smtp.setRefuse('connect')
    const error = await failure(mailerFor(smtp.url).send(codeMail()), 5 * SECOND)
    assert.ok(!(error instanceof MailRefusedError), 'nothing else would be taken either')
    await failure(mailerFor(smtp.url).check(), 5 * SECOND)
    assert.deepEqual(smtp.messages, [])
  })

  for (const refusal of ['rcpt', 'data'] as const) {
    test(`refuses at ${refusal}: fails with the server's answer, and the next mail goes out`, async () => {
      const mailer = mailerFor(smtp.url)
      smtp.setRefuse(refusal)
      const error = await failure(mailer.send(codeMail()), 5 * SECOND)
      assert.ok(error instanceof MailRefusedError, 'others would be taken')
      const { cause } = error
      assert.match(inspect(cause), refusal === 'rcpt' ? /550/ : /554/)
      assert.deepEqual(smtp.messages, [])
      await mailer.check()
      smtp.setRefuse(undefined)
      await mailer.send(codeMail())
      assert.equal(smtp.messages.length, 1)
    })
  }

  test('EM-8: neither log nor error repeats the code or the address, though the server does', async () => {
    smtp.setRefuse('rcpt')
    // Nodemailer writes the domain in lower case, so the server quotes another text than the one we know.
    const error = await failure(mailerFor(smtp.url).send(codeMail({ to: 'alice@Example.com' })), 5 * SECOND)
    assert.equal(lines.length, 1)
    const said = `${lines.join()} ${inspect(error, { depth: 9, showHidden: true })}`
    assert.match(said, /unknown here/)
    assert.doesNotMatch(said, /alice|048213/)
  })

  test('after close nothing is sent', async () => {
    const mailer = mailerFor(smtp.url)
    mailer.close()
    await failure(mailer.send(codeMail()), SECOND)
    assert.deepEqual(smtp.messages, [])
  })
})

describe('a mail server that says nothing (DO-7)', () => {
  test('no greeting, or words without end: a check is over within its 5 seconds, a mail soon after', async () => {
    await using silent = await listen(() => undefined)
    await using chatty = await listen((socket) => {
      socket.write('220 hello\r\n')
      const timer = setInterval(() => socket.write('250-more\r\n'), 500)
      socket.on('close', () => clearInterval(timer))
    })
    const [one, other] = [mailerFor(silent.url), mailerFor(chatty.url)]
    await Promise.all([
      failure(one.check(), 6 * SECOND),
      failure(one.send(codeMail()), 6 * SECOND),
      failure(other.check(), 6 * SECOND),
      failure(other.send(codeMail()), 16 * SECOND),
    ])
  })

  async function listen(serve: (socket: Socket) => void) {
    const sockets = new Set<Socket>()
    const server: Server = createServer((socket) => {
      sockets.add(socket.on('error', () => undefined))
      serve(socket)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const dispose = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
    return { url: `smtp://127.0.0.1:${port}`, [Symbol.asyncDispose]: dispose }
  }
})

describe('TLS and AUTH (KM-9)', () => {
  const auth = { user: 'stepgate@example.com', pass: 'p@ss:/?#%' }

  async function withServer(options: SmtpOptions, work: (smtp: SmtpService) => Promise<void>): Promise<void> {
    const smtp = await startSmtp(options)
    await work(smtp).finally(() => smtp.stop())
  }

  for (const tls of ['smtps', 'starttls'] as const) {
    test(`${tls} on this machine with a certificate of its own, name and password percent-encoded`, () =>
      withServer({ tls, auth }, async (smtp) => {
        const mailer = mailerFor(smtp.url)
        await mailer.check()
        await mailer.send(codeMail())
        const [mail] = smtp.messages
        assert.equal(mail?.tls, true)
        assert.equal(mail?.user, auth.user)
      }))
  }

  test('a wrong password: check and send fail, and nothing said holds it', () =>
    withServer({ tls: 'smtps', auth }, async (smtp) => {
      const mailer = mailerFor(`smtps://stepgate:wrong-secret@127.0.0.1:${smtp.port}`)
      const errors = [await failure(mailer.check(), 5 * SECOND), await failure(mailer.send(codeMail()), 5 * SECOND)]
      const said = `${lines.join()} ${inspect(errors, { depth: 9, showHidden: true })}`
      assert.match(said, /535/)
      assert.doesNotMatch(said, /wrong-secret|d3Jvbmctc2VjcmV0/)
      assert.deepEqual(smtp.messages, [])
    }))

  // Linux takes 0.0.0.0 for this machine, and it is no loopback address: the nearest thing to a server elsewhere.
  const elsewhere = (scheme: string, { port }: SmtpService): string => `${scheme}://stepgate:secret@0.0.0.0:${port}`

  for (const tls of ['smtps', 'starttls'] as const) {
    test(`${tls} elsewhere with a certificate nobody vouches for: neither password nor mail leaves`, () =>
      withServer({ tls, auth: { user: 'stepgate', pass: 'secret' } }, async (smtp) => {
        const mailer = mailerFor(elsewhere(tls === 'smtps' ? 'smtps' : 'smtp', smtp))
        const errors = [await failure(mailer.check(), 5 * SECOND), await failure(mailer.send(codeMail()), 5 * SECOND)]
        for (const { cause } of errors) assert.match(inspect(cause), /self-signed certificate/)
        assert.equal(smtp.logins, 0)
        assert.deepEqual(smtp.messages, [])
      }))
  }

  test('a server elsewhere that offers no TLS: neither password nor mail leaves', () =>
    withServer({ auth: { user: 'stepgate', pass: 'secret' } }, async (smtp) => {
      const mailer = mailerFor(elsewhere('smtp', smtp))
      await failure(mailer.check(), 5 * SECOND)
      await failure(mailer.send(codeMail()), 5 * SECOND)
      assert.ok(smtp.connections > 0)
      assert.equal(smtp.logins, 0)
      assert.deepEqual(smtp.messages, [])
    }))

  test('a server without TLS where TLS is configured', () =>
    withServer({}, async (smtp) => {
      const mailer = mailerFor(`smtps://127.0.0.1:${smtp.port}`)
      await failure(mailer.check(), 6 * SECOND)
      await failure(mailer.send(codeMail()), 6 * SECOND)
      assert.deepEqual(smtp.messages, [])
    }))
})

describe('what cannot work is refused at start', () => {
  const urls = [
    '',
    'mail.example.com',
    'http://mail.example.com',
    'smtp://',
    'smtp:mail.example.com',
    'smtps://mail.example.com?tls.rejectUnauthorized=false',
    'smtps://mail.example.com/x',
    'smtps://mail.example.com#x',
    'smtps://user:%zz@mail.example.com',
  ]
  for (const url of urls) {
    test(`mail.smtp: ${url}`, () => {
      assert.throws(() => mailerFor(url), { name: 'ConfigError', key: 'mail.smtp' })
    })
  }

  test('the message does not repeat the password', () => {
    assert.throws(
      () => mailerFor('smtps://user:secret@mail.example.com?x=1'),
      (error) => error instanceof ConfigError && !inspect(error).includes('secret'),
    )
  })

  test('mail.from: not one plain address', () => {
    const address = 'id@example.com, evil@y.test'
    assert.throws(() => mailerFor('smtp://127.0.0.1:1', { name: '', address }), {
      name: 'ConfigError',
      key: 'mail.from',
    })
  })
})
