import { stringify } from 'yaml'
import type { Config } from '../config.ts'
import { type FileFormat, schemaBy } from '../schema/schema.ts'
import { mapSecrets, maskOf } from '../schema/secret-fields.ts'
import { toFile } from './file-form.ts'

/** The effective configuration in the file's form, secrets masked (KM-4): what `config print --json` shows. */
export function shownConfig(config: Config, format: FileFormat): Record<string, unknown> {
  return mapSecrets(schemaBy(format), toFile(config, format), maskOf) as Record<string, unknown>
}

/** The same as YAML. */
export function printConfig(config: Config, format: FileFormat): string {
  return stringify(shownConfig(config, format), { lineWidth: 120, aliasDuplicateObjects: false })
}
