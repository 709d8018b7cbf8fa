import { setTimeout as pause } from 'node:timers/promises'
import { createTransport, type SMTPPoolOptions } from 'nodemailer'
import { SECOND } from '../kernel/clock.ts'
import { ConfigError } from '../kernel/errors.ts'
import type { Log } from '../kernel/log.ts'
import type { Mail } from '../kernel/mail.ts'
import { randomToken } from '../kernel/secrets.ts'
import type { Renderer } from '../views/renderer.ts'
import type { Texts } from '../views/texts.ts'
import { parseAddress } from './address.ts'
import { MailError, type Mailer, MailRefusedError } from './mailer.ts'
import { oneLine } from './one-line.ts'
import { composeMail } from './rendered-mail.ts'
import { withoutFacts } from './smtp-failure.ts'
import { parseSmtpUrl, type SmtpServer } from './smtp-url.ts'

export interface SmtpMailerOptions {
  /** `smtp://` or `smtps://`; see `parseSmtpUrl`. */
  smtp: string
  from: { name: string; address: string }
}

export interface SmtpMailerDependencies {
  renderer: Renderer
  texts: Texts
  log: Log
}

/** DO-7: a person waits in front of every mail. */
const CONNECTION_TIMEOUT = 5 * SECOND
const GREETING_TIMEOUT = 5 * SECOND
/** Silence on an open connection. */
const SOCKET_TIMEOUT = 10 * SECOND
/** From the queue to the server's answer, whatever trickles in between. */
const SEND_TIMEOUT = 15 * SECOND
const CHECK_TIMEOUT = 5 * SECOND
const IDLE_TIMEOUT = 60 * SECOND
const CONNECTIONS = 5
/** A pooled connection that the server dropped costs one more; a server that drops every one is down. */
const REQUEUES = 2
const NAME_LENGTH = 100
/** Nodemailer's codes for what the server has against this recipient or this message. */
const OF_THE_MAIL: ReadonlySet<string> = new Set(['EENVELOPE', 'EMESSAGE'])

/** Mails through one SMTP server. Throws `ConfigError` for a URL or sender that cannot work. */
export function createSmtpMailer(options: SmtpMailerOptions, dependencies: SmtpMailerDependencies): Mailer {
  const { log } = dependencies
  const from = senderOf(options.from)
  const domain = from.address.slice(from.address.indexOf('@') + 1)
  const transport = createTransport(transportOptions(parseSmtpUrl(options.smtp)))
  let underWay = 0
  let closing = false

  function ended(): void {
    underWay--
    if (closing && underWay === 0) transport.close()
  }

  return {
    async send(mail) {
      if (closing) throw failed(mail, new Error('the mailer is closed'))
      const address = parseAddress(mail.to)
      if (address === undefined)
        throw failed(mail, Object.assign(new Error('not one plain address'), { code: 'EENVELOPE' }))
      const { locale, ...parts } = composeMail(mail, dependencies)
      const message = {
        ...parts,
        from,
        // The object form: nodemailer reads a string as a list, and a line break in it as a header (X13).
        to: { name: '', address },
        messageId: `<${mail.id ?? randomToken(16)}@${domain}>`,
        date: new Date(),
        headers: {
          // RFC 3834 section 5: no out-of-office answers to a code.
          'Auto-Submitted': 'auto-generated',
          'X-Auto-Response-Suppress': 'All',
          'Content-Language': locale,
        },
        signal: AbortSignal.timeout(SEND_TIMEOUT),
      }
      underWay++
      try {
        const { accepted } = await transport.sendMail(message)
        if (accepted.length !== 1) {
          throw Object.assign(new Error('the server did not take the recipient'), { code: 'EENVELOPE' })
        }
      } catch (error) {
        throw failed(mail, error)
      } finally {
        ended()
      }
    },

    async check() {
      const deadline = new AbortController()
      try {
        await Promise.race([transport.verify(), tooLate(deadline.signal)])
      } catch (error) {
        throw new MailError('the mail server did not answer as it should', { cause: withoutFacts(error, []) })
      } finally {
        deadline.abort()
      }
    },

    close() {
      closing = true
      if (underWay === 0) transport.close()
    },
  }

  function failed(mail: Mail, error: unknown): MailError {
    const facts = Object.values(mail.data).filter((value) => typeof value === 'string')
    const cause = withoutFacts(error, [mail.to, ...facts])
    const { code, responseCode, command } = cause
    log.warn('mail was not sent', { template: mail.template, code, responseCode, command, reason: cause.message })
    const Failure = code !== undefined && OF_THE_MAIL.has(code) ? MailRefusedError : MailError
    return new Failure('the mail was not sent', { cause })
  }
}

function senderOf({ name, address: text }: SmtpMailerOptions['from']): SmtpMailerOptions['from'] {
  const address = parseAddress(text)
  if (address === undefined)
    throw new ConfigError('mail.from', 'must be one plain address, with a name in front if wanted')
  return { name: oneLine(name, NAME_LENGTH), address }
}

function transportOptions({ host, port, secure, loopback, auth }: SmtpServer): SMTPPoolOptions & { pool: true } {
  return {
    pool: true,
    host,
    port,
    secure,
    ...(auth !== undefined && { auth }),
    // The certificate is checked (KM-9). On this machine nobody listens in, and its certificate is usually made there.
    requireTLS: !secure && !loopback,
    tls: { rejectUnauthorized: !loopback },
    connectionTimeout: CONNECTION_TIMEOUT,
    greetingTimeout: GREETING_TIMEOUT,
    dnsTimeout: CONNECTION_TIMEOUT,
    socketTimeout: SOCKET_TIMEOUT,
    idleTimeout: IDLE_TIMEOUT,
    maxConnections: CONNECTIONS,
    maxRequeues: REQUEUES,
    disableFileAccess: true,
    disableUrlAccess: true,
  }
}

async function tooLate(signal: AbortSignal): Promise<never> {
  await pause(CHECK_TIMEOUT, undefined, { signal })
  throw new Error(`no answer within ${CHECK_TIMEOUT / SECOND} seconds`)
}
