import { stringify } from 'yaml'
import { z } from 'zod'
import type { Config } from '../config.ts'
import type { AuthenticatorBlocks } from '../schema/block.ts'
import { schemaOf } from '../schema/schema.ts'
import { MASK, maskUrl } from '../schema/url-secrets.ts'
import { toFile } from './file-form.ts'

/** The effective configuration in the file's form, secrets masked (KM-4): what `config print --json` shows. */
export function shownConfig(config: Config, { blocks }: { blocks: AuthenticatorBlocks }): Record<string, unknown> {
  const { secretKey, stores, mail, clients } = config
  const masked: Config = {
    ...config,
    stores: {
      ...stores,
      state: stores.state && maskUrl(stores.state),
      accounts: stores.accounts && maskUrl(stores.accounts),
    },
    mail: mail && { ...mail, smtp: maskUrl(mail.smtp) },
    clients: clients.map((client) =>
      client.client_secret === undefined ? client : { ...client, client_secret: MASK },
    ),
  }
  const shown = z.encode(schemaOf(blocks), toFile(masked) as never) as Record<string, unknown>
  return secretKey === undefined ? shown : { ...shown, secretKey: MASK }
}

/** The same as YAML. */
export function printConfig(config: Config, options: { blocks: AuthenticatorBlocks }): string {
  return stringify(shownConfig(config, options), { lineWidth: 120, aliasDuplicateObjects: false })
}
