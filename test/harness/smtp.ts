import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import { available, freePort } from './services.ts'

/** Where the server says no: to the connection, to the recipient, or to the message. */
export type Refusal = 'connect' | 'rcpt' | 'data'

export interface SmtpOptions {
  /** `smtps` from the first byte, `starttls` on offer; default: plain text alone. The certificate is self-signed. */
  tls?: 'smtps' | 'starttls'
  /** Then nobody sends without it; `url` holds it. */
  auth?: { user: string; pass: string }
  refuse?: Refusal
}

export interface ReceivedMail {
  /** The envelope: MAIL FROM and every RCPT TO. */
  from: string
  to: string[]
  subject: string
  text: string
  /** Empty when the mail has no such part. */
  html: string
  /** By name in lower case, as written, on one line. */
  headers: ReadonlyMap<string, string>
  /** As it came over the line. */
  raw: string
  tls: boolean
  /** Of the AUTH that preceded it. */
  user: string | undefined
}

export interface SmtpService {
  readonly url: string
  readonly port: number
  /** Everything taken so far, oldest first. */
  readonly messages: readonly ReceivedMail[]
  /** Connections since the start, refused ones included. */
  readonly connections: number
  /** Connections that are open now. */
  readonly open: number
  /** Names and passwords heard since the start, right or wrong. */
  readonly logins: number
  /**
   * The newest mail to the address, or that the predicate picks; waits for it up to `timeout` ms (5 s) and then throws.
   */
  waitFor(which: string | ((mail: ReceivedMail) => boolean), timeout?: number): Promise<ReceivedMail>
  /**
   * The code in the newest mail to the address that has one: digits alone on a line of the text part. Throws without
   * one.
   */
  codeFor(address: string): string
  /** How many mails with a code went to the address so far. */
  codesTo(address: string): number
  /** Forgets what was taken. */
  clear(): void
  setRefuse(refusal: Refusal | undefined): void
  /** The outage: connections are cut, new ones refused by the system. */
  stop(): Promise<void>
  /** Serves again on the same port. */
  start(): Promise<void>
}

const CODE = /^\d{6,8}$/m

/** A mail server of its own on a free loopback port. It keeps what it takes in memory. */
export async function startSmtp(options: SmtpOptions = {}): Promise<SmtpService> {
  const port = await freePort()
  const messages: ReceivedMail[] = []
  let refusal = options.refuse
  let connections = 0
  let logins = 0
  let server: SMTPServer | undefined
  const { auth } = options
  const credentials = auth === undefined ? '' : `${encodeURIComponent(auth.user)}:${encodeURIComponent(auth.pass)}@`

  const settings: SMTPServerOptions = {
    secure: options.tls === 'smtps',
    ...(options.tls !== undefined && selfSigned()),
    authOptional: auth === undefined,
    allowInsecureAuth: true,
    disabledCommands: [...(options.tls === 'starttls' ? [] : ['STARTTLS']), ...(auth === undefined ? ['AUTH'] : [])],
    disableReverseLookup: true,
    closeTimeout: 10,
    onConnect(_session, callback) {
      connections++
      callback(refusal === 'connect' ? refused('no service here', 421) : null)
    },
    onAuth({ username, password }, _session, callback) {
      logins++
      const right = auth !== undefined && username === auth.user && password === auth.pass
      callback(right ? null : refused('authentication failed', 535), right ? { user: username } : undefined)
    },
    onRcptTo({ address }, _session, callback) {
      callback(refusal === 'rcpt' ? refused(`<${address}> unknown here`, 550) : null)
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = []
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', async () => {
        if (refusal === 'data') return callback(refused('looks like spam', 554))
        const raw = Buffer.concat(chunks)
        const parsed = await simpleParser(raw)
        const { mailFrom, rcptTo } = session.envelope
        messages.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          subject: parsed.subject ?? '',
          text: parsed.text ?? '',
          html: typeof parsed.html === 'string' ? parsed.html : '',
          headers: new Map(parsed.headerLines.map(({ key, line }) => [key, unfolded(line)])),
          raw: raw.toString(),
          tls: session.secure,
          user: session.user,
        })
        callback()
      })
    },
  }

  const start = async (): Promise<void> => {
    if (server !== undefined) return
    const next = new SMTPServer(settings)
    // Clients that hang up in the middle are part of the tests.
    next.on('error', () => undefined)
    const listener = next.listen(port, '127.0.0.1')
    await once(listener, 'listening')
    // A test that forgets to stop it still ends.
    listener.unref()
    server = next
  }
  await start()

  const newest = (pick: (mail: ReceivedMail) => boolean): ReceivedMail | undefined => messages.findLast(pick)

  return {
    url: `${options.tls === 'smtps' ? 'smtps' : 'smtp'}://${credentials}127.0.0.1:${port}`,
    port,
    messages,
    get connections() {
      return connections
    },
    get open() {
      return server?.connections.size ?? 0
    },
    get logins() {
      return logins
    },
    async waitFor(which, timeout = 5000) {
      const pick = typeof which === 'string' ? isTo(which) : which
      const deadline = performance.now() + timeout
      for (;;) {
        const mail = newest(pick)
        if (mail !== undefined) return mail
        if (performance.now() > deadline) throw new Error(`no such mail within ${timeout} ms: ${which}`)
        await pause(10)
      }
    },
    codeFor(address) {
      const mail = newest((candidate) => isTo(address)(candidate) && CODE.test(candidate.text))
      const code = mail?.text.match(CODE)?.[0]
      if (code === undefined) throw new Error(`no mail with a code went to ${address}`)
      return code
    },
    codesTo: (address) => messages.filter((mail) => isTo(address)(mail) && CODE.test(mail.text)).length,
    clear() {
      messages.length = 0
    },
    setRefuse(next) {
      refusal = next
    },
    async stop() {
      const running = server
      server = undefined
      if (running === undefined) return
      const { promise, resolve } = Promise.withResolvers<void>()
      running.close(resolve)
      // Its own timer for the rest does not keep the process alive, so this one does.
      await Promise.race([promise, pause(1000)])
    },
    start,
  }
}

function selfSigned(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'stepgate-smtp-'))
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  try {
    const given = [...request, '-subj', '/CN=localhost', '-keyout', key, '-out', certificate]
    execFileSync(available('openssl').path ?? 'openssl', given, { stdio: 'ignore' })
    return { key: readFileSync(key), cert: readFileSync(certificate) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const isTo =
  (address: string) =>
  (mail: ReceivedMail): boolean =>
    mail.to.some((recipient) => recipient.toLowerCase() === address.toLowerCase())

function refused(message: string, responseCode: number): Error {
  return Object.assign(new Error(message), { responseCode })
}

function unfolded(line: string): string {
  return line
    .slice(line.indexOf(':') + 1)
    .replace(/\r?\n\s+/g, ' ')
    .trim()
}
