/** A command that could not do what it was asked: one line on standard error, exit status 1. */
export class CommandError extends Error {
  override name = 'CommandError'
}

/** An argument with a value that makes no sense: one line that names it, exit status 2. */
export class UsageError extends Error {
  override name = 'UsageError'

  constructor(argument: string, reason: string) {
    super(`${argument}: ${reason}`)
  }
}
