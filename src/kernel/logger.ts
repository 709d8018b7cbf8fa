import { pino } from 'pino'
import type { Log } from './log.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/**
 * The second net under LG-2: whoever logs leaves secrets out; what slips through under one of these names is cut here.
 */
const SECRET_NAMES = [
  'password',
  'passwordAgain',
  'passwordHash',
  'secret',
  'secretKey',
  'client_secret',
  'code',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'id_token_hint',
  'client_assertion',
  'code_verifier',
  'state',
  'nonce',
  'csrf',
  'cookie',
  'set-cookie',
  'authorization',
  'jwk',
  'smtp',
  'url',
]
const DEPTHS = ['', '*.', '*.*.']
const CENSORED = '[redacted]'

export interface LoggerOptions {
  level: LogLevel
  /** 1 or 2: standard output for `serve`, standard error for commands whose output is their result. */
  descriptor: 1 | 2
  /** Lines for people instead of JSON. */
  pretty: boolean
}

/** JSON lines with `time` in ISO 8601, written at once, so that the last line before an end is there. */
export async function createLogger({ level, descriptor, pretty }: LoggerOptions): Promise<Log> {
  const logger = pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
      redact: { paths: redactedPaths(), censor: CENSORED },
      serializers: { error: describeError, cause: describeError },
    },
    pretty ? await prettyStream(descriptor) : pino.destination({ dest: descriptor, sync: true }),
  )
  return {
    debug: (message, details = {}) => logger.debug(details, message),
    info: (message, details = {}) => logger.info(details, message),
    warn: (message, details = {}) => logger.warn(details, message),
    error: (message, details = {}) => logger.error(details, message),
  }
}

/** What an error says and where; nothing else that its maker hung on it, such as a command with its arguments. */
function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { name, message, stack, cause } = error
  const errorCode = 'code' in error ? String(error.code) : undefined
  return { name, message, errorCode, stack, cause: describeError(cause) }
}

function redactedPaths(): string[] {
  return DEPTHS.flatMap((depth) => SECRET_NAMES.map((name) => pathOf(depth, name)))
}

/** `a.b`, or `a["b-c"]` where the name is not one word. */
function pathOf(depth: string, name: string): string {
  return /^\w+$/.test(name) ? `${depth}${name}` : `${depth.replace(/\.$/, '')}["${name}"]`
}

async function prettyStream(descriptor: 1 | 2): Promise<{ write(line: string): void }> {
  const { prettyFactory } = await import('pino-pretty')
  const prettify = prettyFactory({ colorize: true, messageKey: 'message', translateTime: 'SYS:HH:MM:ss' })
  const output = descriptor === 1 ? process.stdout : process.stderr
  return { write: (line) => void output.write(prettify(line)) }
}
