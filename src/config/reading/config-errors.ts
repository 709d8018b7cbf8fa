import { ConfigError } from '../../kernel/errors.ts'

/** All that is wrong with a file; as an error it is the first of them. */
export class ConfigFileError extends ConfigError {
  override name = 'ConfigFileError'
  /** At least one, in the order of the file. */
  readonly all: readonly ConfigError[]

  constructor(all: readonly [ConfigError, ...ConfigError[]]) {
    const [{ key, reason, file, line }] = all
    super(key, reason, { ...(file !== undefined && { file }), ...(line !== undefined && { line }) })
    this.all = all
  }
}
