import { ConfigError } from '../kernel/errors.ts'
import { isLoopback } from '../kernel/network.ts'

/** A mail server as configured. */
export interface SmtpServer {
  host: string
  port: number
  /** TLS from the first byte (`smtps:`); else STARTTLS. */
  secure: boolean
  /** On this machine: plain text and certificates of one's own are accepted there and nowhere else (KM-9). */
  loopback: boolean
  auth: { user: string; pass: string } | undefined
}

/** RFC 6409 (submission) and RFC 8314 (submissions). */
const PORTS: Readonly<Record<string, number>> = { 'smtp:': 587, 'smtps:': 465 }
const KEY = 'mail.smtp'

/**
 * Reads `smtp://` or `smtps://` with host, port, and name and password percent-encoded. Throws `ConfigError`, whose
 * text never repeats the URL: it may hold a password.
 */
export function parseSmtpUrl(text: string): SmtpServer {
  const url = URL.parse(text)
  const port = url === null ? undefined : PORTS[url.protocol]
  if (url === null || port === undefined || url.hostname === '') {
    throw new ConfigError(KEY, 'must be smtp://host:port or smtps://host:port, with user:password@ where needed')
  }
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '') {
    throw new ConfigError(KEY, 'takes neither a path nor parameters')
  }
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase()
  return {
    host,
    port: url.port === '' ? port : Number(url.port),
    secure: url.protocol === 'smtps:',
    loopback: isLoopback(host),
    auth: url.username === '' ? undefined : { user: decoded(url.username), pass: decoded(url.password) },
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new ConfigError(KEY, 'has a name or password that is not percent-encoded')
  }
}
