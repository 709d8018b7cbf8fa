import type { Config } from '../config/config.ts'
import { configFrom, loadConfig } from '../config/reading/load.ts'
import { BLOCKS } from '../mfa/factors/registry.ts'

/** The configuration of a command. Throws `ConfigFileError`. */
export function readConfig(file: string): Config {
  return loadConfig(file, { blocks: BLOCKS })
}

/** A configuration made here, in the file's form. */
export function makeConfig(value: unknown): Config {
  return configFrom(value, { blocks: BLOCKS })
}
