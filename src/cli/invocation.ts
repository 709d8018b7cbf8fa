import type { Command } from 'commander'

/** What every command is told. */
export interface Invocation {
  /** Path of the configuration, as it was given. */
  file: string
  form: 'text' | 'json'
}

export function invocationOf(command: Command): Invocation {
  const { config, json } = command.optsWithGlobals<{ config: string; json: boolean }>()
  return { file: config, form: json ? 'json' : 'text' }
}
