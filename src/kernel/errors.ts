/** What went wrong, for the log; anything can be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** A setting that cannot work. Raised at start, at reload and by commands; exit status 2. */
export class ConfigError extends Error {
  override name = 'ConfigError'
  readonly key: string
  readonly reason: string
  readonly file: string | undefined
  readonly line: number | undefined

  /** `key` is the dotted path in the file (`mfa.methods`), `reason` never holds the value of a secret. */
  constructor(key: string, reason: string, where: { file?: string; line?: number } = {}) {
    super(`${where.file === undefined ? '' : `${where.file}:${where.line ?? 1}: `}${key}: ${reason}`)
    this.key = key
    this.reason = reason
    this.file = where.file
    this.line = where.line
  }
}

/** What a caller did wrong, in the words of the public interface (`data-error`), or a plain HTTP mistake. */
export type RequestErrorCode =
  | 'expired'
  | 'csrf'
  | 'bad-request'
  | 'not-found'
  | 'method-not-allowed'
  | 'too-large'
  | 'throttled'

/** A caller's mistake: the error page that offers the way back. Its text never holds what the caller sent. */
export class RequestError extends Error {
  override name = 'RequestError'
  readonly code: RequestErrorCode
  /** Milliseconds until another try makes sense; `throttled` only. */
  readonly retryAfter: number | undefined

  constructor(code: RequestErrorCode, options: { retryAfter?: number; cause?: unknown } = {}) {
    super(code, { cause: options.cause })
    this.code = code
    this.retryAfter = options.retryAfter
  }
}

/** A store, or the hasher's queue, cannot serve now: 503 with Retry-After, never a skipped check (FA-1). */
export class UnavailableError extends Error {
  override name = 'UnavailableError'
  readonly part: string

  /** `part` names what is missing for the log: `redis`, `postgres`, `sqlite`, `hasher`. */
  constructor(part: string, options: { cause?: unknown } = {}) {
    super(`${part} is unavailable`, options)
    this.part = part
  }
}
